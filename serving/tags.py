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
    order = np.argsort(-probabilities, kind="stable")[:2]
    first, *others = (float(probabilities[label]) for label in order)
    best = [names[label].capitalize() for label in order]
    if first > ALONE_ABOVE:
        return best[:1]
    if others and first + others[0] > TOGETHER_ABOVE:
        return best
    return [UNKNOWN]
