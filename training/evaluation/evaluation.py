"""Say what answers are worth: calibration before and after, intervals, tags, speed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.tag_rule import TagRule
from training.evaluation.calibration import FEWEST, Temperature, without_temperature
from training.evaluation.metrics import (
    Interval,
    ReliabilityBin,
    calibration_error,
    intervals,
    reliability,
    top_hits,
)
from training.evaluation.predict import Answers

RIGHT_ALONE = 0.95
RIGHT_TOGETHER = 0.90
NEVER = 1.0


@dataclass(frozen=True)
class Tagged:
    """The pictures that got so many tags, their share of all, and the share of them answered right.

    Right is: the true class is among the tags. Unknown is never right; its `right` is None.
    """

    pictures: int
    share: float | None
    right: float | None


@dataclass(frozen=True)
class TagOutcome:
    """What the rule makes of some pictures."""

    rule: TagRule
    one: Tagged
    two: Tagged
    unknown: Tagged


def tags_given(probabilities: NDArray[np.float64], rule: TagRule) -> NDArray[np.int64]:
    """Return how many tags each picture of float[N, classes] gets: 1, 2 or 0 for Unknown."""
    return np.array([len(rule.labels(row)) for row in probabilities.tolist()], np.int64)


def tag_outcome(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], rule: TagRule
) -> TagOutcome:
    """Count one tag, two tags and Unknown, and how often the true class is among them."""
    given = tags_given(probabilities, rule)
    right = {number: top_hits(probabilities, labels, number) for number in (1, 2)}

    def tagged(number: int) -> Tagged:
        chosen = given == number
        count = int(chosen.sum())
        known = count > 0 and number in right
        return Tagged(
            count,
            count / len(labels) if len(labels) else None,
            float(right[number][chosen].mean()) if known else None,
        )

    return TagOutcome(rule, tagged(1), tagged(2), tagged(0))


def fit_rule(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> TagRule:
    """Return the lowest thresholds at which the tags are right often enough on these pictures.

    One tag is to be right in 95 of 100, two tags in 90 of 100 of the pictures that do not get one.
    A threshold counts only where 30 pictures or more speak for it; where none does, that kind of
    answer is never given. Fewer than 30 pictures in all leave the published rule.
    """
    if len(labels) < FEWEST:
        return TagRule()
    first, second = -np.sort(-probabilities, axis=1)[:, :2].T
    alone = lowest_threshold(first, top_hits(probabilities, labels, 1), RIGHT_ALONE)
    rest, hits = first <= alone, top_hits(probabilities, labels, 2)
    together = lowest_threshold((first + second)[rest], hits[rest], RIGHT_TOGETHER)
    return TagRule(alone, together, fitted=True)


def lowest_threshold(scores: NDArray[np.float64], right: NDArray[np.bool_], wanted: float) -> float:
    """Return the lowest t with a share of `wanted` right among the scores above t; 1 if none.

    scores float[N] in 0..1, right bool[N]. Scores above t must be 30 or more.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    following = np.append(falling[1:], 0.0)
    counts = np.arange(1, len(order) + 1)
    good = np.flatnonzero((shares >= wanted) & (falling > following) & (counts >= FEWEST))
    return float(following[good[-1]]) if len(good) else NEVER


@dataclass(frozen=True)
class Calibration:
    """The temperature, and on the measured pictures the ECE and the bins without and with it.

    `fit` says how the temperature was chosen; it is None for a bundle that does not say.
    """

    temperature: float
    ece_before: float | None
    ece_after: float | None
    before: list[ReliabilityBin]
    after: list[ReliabilityBin]
    fit: Temperature | None


@dataclass(frozen=True)
class Evaluation:
    """What is measured in addition to the metrics.

    `intervals` are 95 % bootstrap intervals by figure; `pictures_per_second` counts from files to
    answers, in batches of 32.
    """

    intervals: dict[str, Interval | None]
    calibration: Calibration
    tags: TagOutcome
    pictures_per_second: float | None


def evaluate_answers(
    answers: Answers,
    temperature: float,
    rule: TagRule,
    *,
    seed: int = 0,
    fit: Temperature | None = None,
) -> Evaluation:
    """Measure answers of a model whose temperature is already in its probabilities.

    `fit` says how that temperature was chosen.
    """
    probabilities, labels = answers.probabilities, answers.labels
    before = without_temperature(probabilities, temperature) if len(labels) else probabilities
    some = len(labels) > 0
    return Evaluation(
        intervals=intervals(probabilities, labels, answers.groups, seed=seed),
        calibration=Calibration(
            temperature,
            ece_before=calibration_error(before, labels) if some else None,
            ece_after=calibration_error(probabilities, labels) if some else None,
            before=reliability(before, labels) if some else [],
            after=reliability(probabilities, labels) if some else [],
            fit=fit,
        ),
        tags=tag_outcome(probabilities, labels, rule),
        pictures_per_second=round(len(labels) / answers.seconds, 1)
        if some and answers.seconds > 0
        else None,
    )


def format_evaluation(evaluation: Evaluation, top1: float | None) -> list[str]:
    """Return the lines for the terminal: interval, calibration, tags, speed."""
    if top1 is None:
        return []
    lines, between = [], evaluation.intervals["top1"]
    if between is not None:
        lines.append(f"top-1 lies in {100 * between.low:.1f} to {100 * between.high:.1f} % (95 %)")
    how = evaluation.calibration
    if how.ece_before is not None and how.ece_after is not None:
        note = f"; {how.fit.why}" if how.fit and how.fit.why else ""
        lines.append(
            f"ECE {how.ece_before:.3f} before, {how.ece_after:.3f} with"
            f" T = {how.temperature:.2f}{note}"
        )
    lines.append(_format_tags(evaluation.tags))
    if evaluation.pictures_per_second is not None:
        lines.append(f"{evaluation.pictures_per_second:.0f} pictures a second")
    return lines


def _format_tags(tags: TagOutcome) -> str:
    kinds = (("one tag", tags.one), ("two tags", tags.two), ("Unknown", tags.unknown))
    parts = [
        f"{name} {100 * (kind.share or 0):.1f} %"
        + (f" (right {100 * kind.right:.1f} %)" if kind.right is not None else "")
        for name, kind in kinds
    ]
    rule = f"above {tags.rule.alone:.3g} alone, {tags.rule.together:.3g} together"
    return f"tags, {rule}: {', '.join(parts)}"
