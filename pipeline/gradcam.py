"""Find where in a picture a class was seen: Grad-CAM for a pooled feature map below a small head.

Where the head sees averages of the feature map, the gradient is the same at every place, so the
map needs no automatic differentiation: training and serving share these few lines of numpy.
Selvaraju et al. 2017, arXiv:1610.02391.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Dense(NamedTuple):
    """One dense layer: kernel float[inputs, outputs], bias float[outputs], with a relu or none."""

    kernel: Floats
    bias: Floats
    relu: bool


class Reading(NamedTuple):
    """The class read, its probability, and how each pooled value speaks for it, float64[D]."""

    label: int
    probability: float
    weights: Floats


def read_head(
    pooled: NDArray[np.floating], head: Sequence[Dense], label: int | None = None
) -> Reading:
    """Run the head on pooled values float[D]; read the class asked for, or the most probable.

    The weights are the gradient of the class's log odds. It points where the gradient of the log
    probability does, but does not vanish when the probability is 1.
    """
    values, passed = pooled.astype(np.float64), []
    for layer in head:
        values = values @ layer.kernel + layer.bias
        passed.append(values > 0 if layer.relu else np.ones(len(values), bool))
        values = values * passed[-1]
    chosen = int(values.argmax()) if label is None else label
    shares = np.exp(values - values.max())
    slope = -_shares_of_others(values, chosen)
    slope[chosen] = 1.0
    for layer, open_ in zip(reversed(head), reversed(passed), strict=True):
        slope = layer.kernel @ (slope * open_)
    return Reading(chosen, float(shares[chosen] / shares.sum()), slope)


def heat_map(features: NDArray[np.floating], weights: Floats) -> NDArray[np.float32]:
    """Return float32[h, w] in 0..1 of a feature map float[h, w, C]; the last C weights are its own.

    All zeros where nothing in the picture speaks for the class.
    """
    summed = np.maximum(features.astype(np.float64) @ weights[-features.shape[-1] :], 0)
    most = summed.max()
    return np.asarray(summed / most if most > 0 else summed, np.float32)


def _shares_of_others(values: Floats, label: int) -> Floats:
    """Return the softmax over all classes but one, float64[classes]."""
    others = values.copy()
    others[label] = -np.inf
    shares = np.exp(others - others.max())
    return np.asarray(shares / shares.sum())
