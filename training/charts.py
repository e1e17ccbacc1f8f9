"""Turn figures into the coordinates that the report's SVG drawings take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.metrics import ReliabilityBin

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
