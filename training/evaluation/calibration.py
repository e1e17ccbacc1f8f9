"""Fit the temperature that makes probabilities honest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import softmax
from training.evaluation.metrics import calibration_error

FEWEST = 30
COLDEST, HOTTEST = 0.25, 16.0
_HALVINGS = 60


@dataclass(frozen=True)
class Temperature:
    """The temperature chosen, the one fitted, and the validation ECE at 1 and at the fitted one.

    `why` says why they differ; it is empty when they do not.
    """

    chosen: float
    fitted: float
    pictures: int
    ece_at_one: float | None
    ece_at_fitted: float | None
    why: str = ""


def choose_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Temperature:
    """Return the fitted temperature, or 1 where it would raise the ECE on the same pictures.

    The fit minimises the cross-entropy, which is a proper score and smooth; the ECE is neither, so
    it only has a veto. The veto falls where a network is nearly calibrated already and the
    difference is within the noise of the bins: T is then close to 1 and nothing is lost.
    """
    count, fitted = len(labels), fit_temperature(logits, labels)
    if count < FEWEST:
        why = f"{count} validation pictures are too few to fit a temperature on, {FEWEST} needed"
        return Temperature(1.0, 1.0, count, None, None, why)
    before = calibration_error(softmax(logits), labels)
    after = calibration_error(softmax(logits / fitted), labels)
    if after <= before:
        return Temperature(fitted, fitted, count, before, after)
    why = f"T = {fitted:.3f} would raise the ECE of validation from {before:.3f} to {after:.3f}"
    return Temperature(1.0, fitted, count, before, after, why)


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


def without_temperature(
    probabilities: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """Return what the probabilities were before the temperature."""
    return softmax(log_probabilities(probabilities) * temperature)


def log_probabilities(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64[N, classes]; a probability of 0 counts as the smallest that float32 has."""
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


def _slope(logits: NDArray[np.float64], labels: NDArray[np.int64], inverse: float) -> float:
    """Return the derivative of the mean cross-entropy by 1/T."""
    expected = (softmax(logits * inverse) * logits).sum(axis=1)
    return float(np.mean(expected - logits[np.arange(len(labels)), labels]))
