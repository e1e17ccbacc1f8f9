"""Gather what the report and the model card tell, and write both."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sceneset.atomic import write_file
from training.data.version import Sources, Version
from training.evaluation.label_issues import LabelIssue
from training.evaluation.metrics import ReliabilityBin
from training.evaluation.predict import Answers
from training.exports.formats import listed
from training.loop.plans import OWN
from training.models.backbones.networks import Backbone
from training.models.backbones.table import BACKBONES
from training.models.backend import versions
from training.recipes.context import KNOWN, Setup, Trained
from training.report.examples import (
    Album,
    Explainer,
    cells,
    confusions,
    doubted,
    explained_shots,
    samples,
    worst_and_unsure,
)
from training.settings import TrainSettings

TEMPLATES = Path(__file__).parent
# Every character to which Markdown or HTML gives a meaning.
_MARKUP = frozenset("\\`*_{}[]()<>#+!|&~\"'")
_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


def render(name: str, facts: Mapping[str, Any]) -> str:
    """Fill a template of this package; every value is escaped.

    A page's policy allows its own style and script by their hashes, and nothing else.
    """
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
    hashes = inline_hashes((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment.get_template(name).render(facts, hashes=hashes)


def inline_hashes(page: str) -> dict[str, str]:
    """Return the SHA-256 of a page's style and script as its Content-Security-Policy names them."""
    return {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in _INLINE.findall(page)
    }


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in text)


def percent(share: float | None) -> str:
    """Write a share of 0..1 as a percentage, or a dash where it is undefined."""
    return "-" if share is None else f"{100 * share:.1f} %"


WIDTH, HEIGHT = 460.0, 180.0
SIDE = 220.0
STACK = 160.0


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
class Bar:
    """One rectangle in px, from its left upper corner, and what it says."""

    x: float
    y: float
    width: float
    height: float
    says: str = ""


def plots(curves: Sequence[Mapping[str, float]], kept: int) -> list[Plot]:
    """Return the plots of accuracy and loss by epoch; `kept` counts epochs from 1."""
    return [_plot(what, curves, kept) for what in ("accuracy", "loss")]


def _plot(what: str, curves: Sequence[Mapping[str, float]], kept: int) -> Plot:
    lines = {
        name: [epoch[key] for epoch in curves]
        for name, key in (("training", what), ("validation", f"val_{what}"))
        if curves and key in curves[0]
    }
    values = [value for line in lines.values() for value in line if np.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = WIDTH / max(1, len(curves) - 1)
    span = (high - low) or 1.0
    return Plot(
        title=what,
        low=low,
        high=high,
        kept=max(0, kept - 1) * step,
        curves=tuple(
            Curve(
                name,
                " ".join(
                    f"{place * step:.1f},{HEIGHT - (value - low) / span * HEIGHT:.1f}"
                    for place, value in enumerate(line)
                    if np.isfinite(value)
                ),
                line[-1],
            )
            for name, line in lines.items()
        ),
    )


def reliability_bars(bins: Sequence[ReliabilityBin]) -> list[Bar]:
    """Return a bar per bin that holds pictures: as high as the share of right answers."""
    return [
        Bar(
            x=one.low * SIDE + 1,
            y=SIDE - one.accuracy * SIDE,
            width=(one.high - one.low) * SIDE - 2,
            height=one.accuracy * SIDE,
            says=f"{one.low:.2f} to {one.high:.2f}: {one.pictures} pictures,"
            f" sure {one.confidence:.3f}, right {one.accuracy:.3f}",
        )
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]


def stacked(counts: Mapping[str, int], most: int) -> list[tuple[str, Bar]]:
    """Return one bar per split side by side; `most` pictures fill the whole width of 160 px."""
    found, left = [], 0.0
    for split, count in counts.items():
        width = STACK * count / max(1, most)
        found.append((split, Bar(left, 0, width, 10, f"{split}: {count}")))
        left += width
    return found


SHADES = 9
MATRIX_MOST = 120


@dataclass(frozen=True)
class Measured:
    """What the pages show beside the run's own values: the model read back, and its answers.

    `looked` says whether there was anything to look for doubts in.
    """

    model: Any
    answers: Answers
    label_issues: Sequence[LabelIssue]
    looked: bool
    sources: Sources


def write_pages(
    folder: Path, setup: Setup, trained: Trained, run: Mapping[str, Any], measured: Measured
) -> None:
    """Write report/index.html with its small pictures, and model_card.md."""
    facts = _facts(setup, trained, run) | {
        "sources": measured.sources,
        "files": listed(run["exports"], setup.settings.exports),
        "suspects_looked": measured.looked,
        "doubted_labels": sum(one.kind == "label" for one in measured.label_issues),
    }
    shown = _shown(folder / "report", setup.version, measured)
    page = render("report.html", facts | shown | {"run": _settings(setup, trained, run)})
    write_file(folder / "report" / "index.html", page.encode())
    write_file(folder / "model_card.md", render("model_card.md", facts).encode())


def _facts(setup: Setup, trained: Trained, run: Mapping[str, Any]) -> dict[str, Any]:
    version, settings = setup.version, setup.settings
    evaluation = run["evaluation"]
    calibration = evaluation.calibration
    return {
        **run,
        "classes": version.class_names,
        "trained_on": run["created_at"][:16].replace("T", " ") + " UTC",
        "size": version.size,
        "fit": version.fit,
        "version": version.id,
        "dataset": settings.dataset.name,
        "phases": [
            {**vars(one), "plots": plots(one.curves, one.epoch_kept)} for one in trained.phases
        ],
        "kept_phase": trained.kept_phase.name,
        "seed": settings.seed,
        "pictures": {split: len(rows) for split, rows in version.splits.items()},
        "known": KNOWN if setup.start and setup.start.may_know(version.id) else "",
        "origin": origin(settings, setup.weights),
        "mistakes": confusions(run["metrics"]),
        "intervals": evaluation.intervals,
        "calibration": calibration,
        "diagrams": [
            ("before the temperature", calibration.ece_before, calibration.before),
            (f"with T = {calibration.temperature:.2f}", calibration.ece_after, calibration.after),
        ],
        "reliability_bars": reliability_bars,
        "tags": evaluation.tags,
        "speed": evaluation.pictures_per_second,
        "class_rows": class_rows(version),
        "matrix": len(version.class_names) <= MATRIX_MOST,
        "shade": shade,
    }


def _shown(page: Path, version: Version, measured: Measured) -> dict[str, Any]:
    """Return everything with pictures; writes them beside the page."""
    answers, album = measured.answers, Album(page, version.fit)
    explainer = Explainer(measured.model)
    worst, unsure = (
        explained_shots(places, answers, version, album, explainer)
        for places in worst_and_unsure(answers)
    )
    small = len(version.class_names) <= MATRIX_MOST
    return {
        "strips": [
            ("worst", "Wrong, the surest first", worst),
            ("unsure", "Right, the least sure first", unsure),
        ],
        "cells": cells(answers, version.class_names, album) if small else [],
        "samples": samples(version, album),
        "doubts": doubted(measured.label_issues, album),
        "doubted": {
            kind: sum(one.kind == kind for one in measured.label_issues)
            for kind in ("label", "outlier")
        },
    }


def origin(settings: TrainSettings, weights: Path | None) -> Backbone | None:
    """Return the backbone whose licence and source hold for the weights, where they were its own.

    Not for a file of the user's, nor for what came from another model.
    """
    own = settings.weights in ("imagenet", "places") and settings.from_bundle is None
    return BACKBONES[settings.backbone] if own and weights is not None else None


def class_rows(version: Version) -> dict[str, dict[str, Any]]:
    """Return class -> its pictures by split and their bars, all on one scale."""
    counts: dict[str, dict[str, int]] = {
        name: dict.fromkeys(map(str, version.splits), 0) for name in version.class_names
    }
    for split, examples in version.splits.items():
        for example in examples:
            counts[version.class_names[example.label]][split] += 1
    most = max((sum(one.values()) for one in counts.values()), default=1)
    return {name: {"counts": one, "bars": stacked(one, most)} for name, one in counts.items()}


def shade(count: int, whole: int) -> int:
    """Return how dark a cell of the confusion matrix is, 1 to 9; 0 without a picture."""
    return 0 if not count else 1 + round((SHADES - 1) * count / whole)


def _settings(setup: Setup, trained: Trained, run: Mapping[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in vars(setup.settings).items() if v is not None}
    settings["weights"] = run["weights"]
    return {
        "the run": {
            "data set": f"{setup.settings.dataset.name}, version {setup.version.id}",
            "parameters": f"{run['parameters']:,}",
            **{
                f"epochs, {one.name}": f"{one.epochs_run} of at most {one.epochs},"
                f" number {one.epoch_kept} kept"
                for one in trained.phases
            },
            **{
                name.replace("_", " "): value
                for name, value in vars(trained.plan).items()
                if name in OWN[trained.recipe]
            },
        },
        "options": {
            f"--{name.replace('_', '-')}": value.name if isinstance(value, Path) else value
            for name, value in settings.items()
        },
        "versions": versions(),
        "seconds": {name: f"{value:.1f}" for name, value in setup.watch.seconds.items()},
    }
