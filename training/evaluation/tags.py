"""Measure what a tag rule makes of pictures whose class is known, and fit its thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.tag_rule import TagRule
from training.evaluation.calibration import FEWEST

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
    ranks = np.argsort(-probabilities, axis=1, kind="stable")[:, :2] == labels[:, None]
    right = {1: ranks[:, 0], 2: ranks.any(axis=1)}

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
    ranks = np.argsort(-probabilities, axis=1, kind="stable")[:, :2] == labels[:, None]
    alone = lowest_threshold(first, ranks[:, 0], RIGHT_ALONE)
    rest = first <= alone
    together = lowest_threshold((first + second)[rest], ranks.any(axis=1)[rest], RIGHT_TOGETHER)
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
