"""Decide whether an export with fewer bits may stay: by the test answers that it loses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[Any]
# Of 1: the top-1 that fewer bits may cost.
ALLOWED = 0.005
# Half a point is one picture of 200: fewer cannot show it.
FEWEST = 200


@dataclass(frozen=True)
class Gate:
    """What fewer bits cost: top-1 in 0..1 of the float model and of the other on the same pictures.

    `lost` is how many pictures fewer are right, `allowed` how many may be; None when the pictures
    are too few to say. `split` is the one they are of, never the test split.
    """

    pictures: int
    float_top1: float
    top1: float
    lost: int
    allowed: int | None
    split: str = "val"

    @property
    def passed(self) -> bool:
        """Say whether the export is worth having."""
        return self.allowed is not None and self.lost <= self.allowed


def int8_gate(reference: Probabilities, answers: Probabilities, labels: NDArray[np.int64]) -> Gate:
    """Allow half a point of top-1, on 200 pictures or more: with fewer nothing is shown.

    Probabilities float[N, classes], labels int64[N].
    """
    allowed = int(ALLOWED * len(labels)) if len(labels) >= FEWEST else None
    return _gate(reference, answers, labels, allowed)


def fp16_gate(reference: Probabilities, answers: Probabilities, labels: NDArray[np.int64]) -> Gate:
    """Allow half a point of top-1, or one picture: weights of 16 bits only round.

    Probabilities float[N, classes], labels int64[N].
    """
    allowed = max(1, int(ALLOWED * len(labels))) if len(labels) else None
    return _gate(reference, answers, labels, allowed)


def _gate(
    reference: Probabilities,
    answers: Probabilities,
    labels: NDArray[np.int64],
    allowed: int | None,
) -> Gate:
    right = [int(np.sum(one.argmax(axis=1) == labels)) for one in (reference, answers)]
    before, after = (count / max(1, len(labels)) for count in right)
    return Gate(len(labels), before, after, lost=right[0] - right[1], allowed=allowed)
