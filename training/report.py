"""Draw a run's report page and model card: self-contained, for a browser without a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.pictures import Fit, encode_jpeg, load_square
from training.answers import Answers
from training.metrics import Metrics

TEMPLATES = Path(__file__).parent
SHOWN_WRONG, SHOWN_RIGHT = 24, 12
THUMB_SIDE = 96
_WIDTH, _HEIGHT = 460.0, 180.0
# Every character to which Markdown or HTML gives a meaning.
_MARKUP = frozenset("\\`*_{}[]()<>#+!|&~\"'")


@dataclass(frozen=True)
class Curve:
    """One line of a plot: its name and its points as SVG takes them."""

    name: str
    points: str
    last: float


@dataclass(frozen=True)
class Plot:
    """One plot: its title, the values at bottom and top, the epoch that was kept in px."""

    title: str
    low: float
    high: float
    kept: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Shot:
    """One test picture with what the model says of it."""

    source: str
    truth: str
    guess: str
    probability: float


def render(name: str, facts: Mapping[str, Any]) -> str:
    """Fill a template of this package; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  rarely needed

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["plain"] = plain
    return environment.get_template(name).render(facts)


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in text)


def percent(share: float | None) -> str:
    """Write a share of 0..1 as a percentage, or a dash where it is undefined."""
    return "-" if share is None else f"{100 * share:.1f} %"


def plots(curves: Sequence[Mapping[str, float]], kept: int) -> list[Plot]:
    """Return the plots of accuracy and loss by epoch; `kept` counts epochs from 1."""
    return [_plot(what, curves, kept) for what in ("accuracy", "loss")]


def _plot(what: str, curves: Sequence[Mapping[str, float]], kept: int) -> Plot:
    lines = {
        name: [epoch[key] for epoch in curves]
        for name, key in (("training", what), ("validation", f"val_{what}"))
        if key in curves[0]
    }
    values = [value for line in lines.values() for value in line if np.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = _WIDTH / max(1, len(curves) - 1)
    span = (high - low) or 1.0
    return Plot(
        title=what,
        low=low,
        high=high,
        kept=(kept - 1) * step,
        curves=tuple(
            Curve(
                name,
                " ".join(
                    f"{place * step:.1f},{_HEIGHT - (value - low) / span * _HEIGHT:.1f}"
                    for place, value in enumerate(line)
                    if np.isfinite(value)
                ),
                line[-1],
            )
            for name, line in lines.items()
        ),
    )


def confusions(metrics: Metrics, most: int = 12) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes: (true class, predicted class, pictures)."""
    names = list(metrics.per_class)
    found = [
        (names[true], names[guess], count)
        for true, row in enumerate(metrics.confusion)
        for guess, count in enumerate(row)
        if true != guess and count
    ]
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:most]


def shots(
    answers: Answers, names: Sequence[str], size: int, fit: Fit
) -> tuple[list[Shot], list[Shot]]:
    """Return wrong answers, the surest first, and right ones, the least sure first."""
    guesses = answers.probabilities.argmax(axis=1)
    sure = answers.probabilities.max(axis=1)
    right = guesses == answers.labels
    wrong = [i for i in np.argsort(-sure, kind="stable") if not right[i]][:SHOWN_WRONG]
    unsure = [i for i in np.argsort(sure, kind="stable") if right[i]][:SHOWN_RIGHT]

    def shot(place: int) -> Shot:
        example = answers.examples[place]
        picture = load_square(example.path.read_bytes(), size, fit)
        return Shot(
            _data_uri(picture), names[example.label], names[guesses[place]], float(sure[place])
        )

    return [shot(i) for i in wrong], [shot(i) for i in unsure]


def _data_uri(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    thumb = Image.fromarray(picture).resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BICUBIC)
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(thumb, 80)).decode()
