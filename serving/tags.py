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
    order = np.argsort(-probabilities, kind="stable")[:2]
    first, *others = (float(probabilities[label]) for label in order)
    if first > ALONE_ABOVE:
        return [int(order[0])]
    if others and first + others[0] > TOGETHER_ABOVE:
        return [int(label) for label in order]
    return []
