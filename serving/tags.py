"""Choose tags for a picture from its probabilities, as clients of `/classify` know them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ALONE_ABOVE = 0.9
TOGETHER_ABOVE = 0.5
UNKNOWN = "Unknown"


def choose_tags(probabilities: NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """Return one or two capitalised names, the most probable first, or `Unknown`.

    The first alone above 0.9; the first two when they sum above 0.5; else `Unknown`.
    """
    return [names[label].capitalize() for label in choose_labels(probabilities)] or [UNKNOWN]


def choose_labels(probabilities: NDArray[np.float32]) -> list[int]:
    """Return the labels of the tags, the most probable first; none for `Unknown`."""
    # NumPy would give up the interpreter's lock for each call, and wait to get it back.
    shares: list[float] = probabilities.tolist()
    best = max(shares)
    first = shares.index(best)
    if best > ALONE_ABOVE:
        return [first]
    others = shares[:first] + shares[first + 1 :]
    next_best = max(others, default=-1.0)
    if others and best + next_best > TOGETHER_ABOVE:  # never of what is no number
        second = others.index(next_best)
        return [first, second + (second >= first)]
    return []
