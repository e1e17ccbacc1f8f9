"""Judge an export by its answers: the same as the model's, or close enough to be worth having."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedDataError

# What float32 runtimes may differ by in a probability.
TOLERANCE = 1e-4
# Probabilities this close are one: which of them comes first is no difference.
TIE = 1e-6
# Of 1: the top-1 that fewer bits may cost.
ALLOWED = 0.005
# Half a point is one picture of 200: fewer cannot show it.
FEWEST = 200

Probabilities = NDArray[Any]


@dataclass(frozen=True)
class Parity:
    """How answers differ from the model's own on the same pictures.

    `largest` is the largest difference of a probability, `other_top1` the pictures with another
    most probable class.
    """

    pictures: int
    largest: float
    other_top1: int

    @property
    def exact(self) -> bool:
        """Say whether these are the answers of the same float32 network."""
        return self.largest <= TOLERANCE and self.other_top1 == 0


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


def compare(reference: Probabilities, found: Probabilities) -> Parity:
    """Compare probabilities float[N, classes]; an answer that is no number differs without end."""
    if not len(reference):
        return Parity(0, 0.0, 0)
    differences = np.abs(np.asarray(found, np.float64) - reference)
    largest = float(np.nan_to_num(differences, nan=np.inf).max())
    rows = np.arange(len(reference))
    chosen = reference[rows, np.nan_to_num(found, nan=-1.0).argmax(axis=1)]
    other = reference.max(axis=1) - chosen > TIE
    return Parity(len(reference), largest, int(other.sum()))


def int8_gate(reference: Probabilities, found: Probabilities, labels: NDArray[np.int64]) -> Gate:
    """Allow half a point of top-1, on 200 pictures or more: with fewer nothing is shown.

    Probabilities float[N, classes], labels int64[N].
    """
    allowed = int(ALLOWED * len(labels)) if len(labels) >= FEWEST else None
    return _gate(reference, found, labels, allowed)


def half_gate(reference: Probabilities, found: Probabilities, labels: NDArray[np.int64]) -> Gate:
    """Allow half a point of top-1, or one picture: weights of 16 bits only round.

    Probabilities float[N, classes], labels int64[N].
    """
    allowed = max(1, int(ALLOWED * len(labels))) if len(labels) else None
    return _gate(reference, found, labels, allowed)


def _gate(
    reference: Probabilities,
    found: Probabilities,
    labels: NDArray[np.int64],
    allowed: int | None,
) -> Gate:
    right = [int(np.sum(one.argmax(axis=1) == labels)) for one in (reference, found)]
    before, after = (count / max(1, len(labels)) for count in right)
    return Gate(len(labels), before, after, lost=right[0] - right[1], allowed=allowed)


def require_exact(name: str, parity: Parity) -> None:
    """Raise DamagedDataError when a float export does not answer as the model does."""
    if parity.exact:
        return
    raise DamagedDataError(
        f"{name} does not answer as the trained model: another top-1 on {parity.other_top1} of"
        f" {parity.pictures} pictures, probabilities up to {parity.largest:.2g} apart"
        f" ({TOLERANCE:g} allowed); nothing is published",
        cure="train again; if it stays, another --backbone, or leave that format out of --export",
    )
