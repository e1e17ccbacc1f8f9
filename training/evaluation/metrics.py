"""Measure probabilities against labels, with bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15


@dataclass(frozen=True)
class ClassMetrics:
    """One class: its test pictures (support) and its shares; None where undefined."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The pictures whose top probability lies in (low, high], and how many of them were right."""

    low: float
    high: float
    pictures: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Metrics:
    """What a model is worth on some pictures; shares in 0..1, None without pictures.

    `macro_f1` is the mean over the classes that have pictures; `ece` has 15 bins of equal width;
    `nll` is in nats; `confusion[true][predicted]` counts pictures.
    """

    pictures: int
    top1: float | None
    top3: float | None
    macro_f1: float | None
    ece: float | None
    nll: float | None
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]]

    def headline(self) -> dict[str, float | None]:
        """Return the four figures that stand in every summary."""
        return {name: getattr(self, name) for name in ("top1", "top3", "macro_f1", "ece")}


def measure(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], names: Sequence[str]
) -> Metrics:
    """Measure float[N, classes] against int[N]."""
    counts = confusion(probabilities.argmax(axis=1), labels, len(names))
    per_class = _per_class(counts)
    f1 = [one.f1 for one in per_class if one.f1 is not None]
    some = len(labels) > 0
    return Metrics(
        pictures=len(labels),
        top1=float(top_hits(probabilities, labels, 1).mean()) if some else None,
        top3=float(top_hits(probabilities, labels, 3).mean()) if some else None,
        macro_f1=float(np.mean(f1)) if f1 else None,
        ece=calibration_error(probabilities, labels) if some else None,
        nll=cross_entropy(probabilities, labels) if some else None,
        per_class=dict(zip(names, per_class, strict=True)),
        confusion=[[int(n) for n in row] for row in counts],
    )


def top_hits(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], k: int
) -> NDArray[np.bool_]:
    """Say of each picture whether its label is among the k most probable classes, bool[N].

    Of equally probable classes the first counts as more probable.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((best == labels[:, None]).any(axis=1))


def confusion(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return int64[true, predicted] counts."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the expected calibration error of the top class: 15 bins of equal width.

    Guo et al. 2017, arXiv:1706.04599.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    gaps = np.bincount(bin_of(confidence), weights=right - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def bin_of(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each confidence, 0 to 14; a bin holds its upper edge, not its lower."""
    return np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)


def reliability(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> list[ReliabilityBin]:
    """Return the 15 bins of the reliability diagram, the least confident first."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = bin_of(confidence)
    sums = [np.bincount(place, w, ECE_BINS) for w in (None, confidence, right)]
    return [
        ReliabilityBin(
            low=bin_ / ECE_BINS,
            high=(bin_ + 1) / ECE_BINS,
            pictures=int(count),
            confidence=float(sure / count) if count else None,
            accuracy=float(hits / count) if count else None,
        )
        for bin_, (count, sure, hits) in enumerate(zip(*sums, strict=True))
    ]


def cross_entropy_of_logits(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean negative log probability of the true class, in nats; logits float[N, K]."""
    top = logits.max(axis=1)
    sums = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.mean(sums - logits[np.arange(len(labels)), labels]))


def cross_entropy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean negative log probability of the true class, in nats."""
    of_true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_true, np.finfo(np.float32).tiny)).mean())


def _per_class(counts: NDArray[np.int64]) -> list[ClassMetrics]:
    right = counts.diagonal()
    guessed, support = counts.sum(axis=0), counts.sum(axis=1)
    return [
        ClassMetrics(
            precision=_share(right[i], guessed[i]),
            recall=_share(right[i], support[i]),
            f1=_share(2 * right[i], guessed[i] + support[i]) if support[i] else None,
            support=int(support[i]),
        )
        for i in range(len(counts))
    ]


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


RESAMPLES = 1000
LEVEL = 0.95
Z = 1.959964  # the normal distribution's quantile at 0.975
FEWEST = 2
Weigh = Callable[[NDArray[np.float64]], float]


class Interval(NamedTuple):
    """Where a figure lies with a confidence of 95 %."""

    low: float
    high: float


def intervals(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Interval | None]:
    """Return the 95 % intervals of top1, top3, macro_f1 and ece for float[N, classes], int[N].

    `groups` int[N] numbers the leak groups from 0: pictures of one group are drawn together, since
    they are no independent evidence. Seeded resamples; percentiles for the shares, the reversed
    percentiles for the ECE. A share of exactly 0 or 1 gets Wilson's interval over the groups, since
    all its resamples are the same. None where fewer than two groups say nothing of the variation.
    """
    figures = weighted_figures(probabilities, labels)
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < FEWEST:
        return dict.fromkeys(figures)
    rng = np.random.default_rng(seed)
    rows = np.array([_resampled(figures, groups, count, rng) for _ in range(resamples)])
    even = np.ones(len(labels))
    by_figure: dict[str, Interval | None] = {}
    for place, (name, weigh) in enumerate(figures.items()):
        measured = weigh(even)
        if name == "ece":
            by_figure[name] = reversed_percentiles(rows[:, place], measured)
        elif measured in (0.0, 1.0):
            by_figure[name] = wilson(measured, count)
        else:
            by_figure[name] = percentiles(rows[:, place], measured)
    return by_figure


def wilson(share: float, count: int) -> Interval:
    """Return the 95 % interval of a share of 0 or 1 of so many independent observations.

    Wilson 1927, whose formula comes to this at both ends.
    """
    reach = Z**2 / (count + Z**2)
    return Interval(1 - reach, 1.0) if share else Interval(0.0, reach)


def percentiles(resampled: NDArray[np.float64], measured: float) -> Interval:
    """Return the percentiles of resampled values, widened to the measured one."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(min(low, measured)), float(max(high, measured)))


def reversed_percentiles(resampled: NDArray[np.float64], measured: float) -> Interval:
    """Return the percentiles mirrored at the measured value, from 0 up: the basic bootstrap.

    For figures that noise can only raise, as it does the ECE: resamples lie above the measured
    value by about as much as that lies above the truth.
    """
    low, high = percentiles(resampled, measured)
    return Interval(max(0.0, 2 * measured - high), max(measured, 2 * measured - float(low)))


def weighted_figures(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> Mapping[str, Weigh]:
    """Return each figure as a function of how often every picture counts, float[N]."""
    classes = probabilities.shape[1]
    first, three = top_hits(probabilities, labels, 1), top_hits(probabilities, labels, 3)
    cells = labels * classes + probabilities.argmax(axis=1)
    gaps = first - probabilities.max(axis=1)
    bins = bin_of(probabilities.max(axis=1))

    def macro_f1(weights: NDArray[np.float64]) -> float:
        counts = np.bincount(cells, weights, classes**2).reshape(classes, classes)
        support = counts.sum(axis=1)
        there = support > 0
        f1 = 2 * counts.diagonal()[there] / (support + counts.sum(axis=0))[there]
        return float(f1.mean())

    def ece(weights: NDArray[np.float64]) -> float:
        return float(np.abs(np.bincount(bins, weights * gaps, ECE_BINS)).sum() / weights.sum())

    return {
        "top1": lambda weights: float(np.average(first, weights=weights)),
        "top3": lambda weights: float(np.average(three, weights=weights)),
        "macro_f1": macro_f1,
        "ece": ece,
    }


def _resampled(
    figures: Mapping[str, Weigh],
    groups: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> list[float]:
    drawn = np.bincount(rng.integers(0, count, count), minlength=count)
    weights = drawn[groups].astype(np.float64)
    return [weigh(weights) for weigh in figures.values()]
