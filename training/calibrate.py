"""Fit the temperature that makes probabilities honest."""

import numpy as np
from numpy.typing import NDArray

FEWEST = 30
COLDEST, HOTTEST = 0.25, 16.0
_HALVINGS = 60


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the T that minimises the cross-entropy of softmax(logits / T), in 0.25 to 16.

    logits float[N, classes], labels int[N]. Fewer than 30 pictures say too little: T is then 1.
    The cross-entropy is convex in 1/T, so its slope is bisected. Guo et al. 2017,
    arXiv:1706.04599.
    """
    if len(labels) < FEWEST:
        return 1.0
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _slope(logits, labels, middle) < 0:
            low = middle
        else:
            high = middle
    return float(2 / (low + high))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities float64[N, classes] that add up to 1 per row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def without_temperature(
    probabilities: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """Return what the probabilities were before the temperature."""
    tiny = np.finfo(np.float32).tiny
    return softmax(np.log(np.maximum(probabilities, tiny)) * temperature)


def _slope(logits: NDArray[np.float64], labels: NDArray[np.int64], inverse: float) -> float:
    """Return the derivative of the mean cross-entropy by 1/T."""
    expected = (softmax(logits * inverse) * logits).sum(axis=1)
    return float(np.mean(expected - logits[np.arange(len(labels)), labels]))
