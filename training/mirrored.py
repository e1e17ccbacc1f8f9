"""Measure the average over a picture and its mirror image, beside the model as it is exported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures import Fit
from pipeline.progress import Bar
from training.calibrate import softmax
from training.metrics import measure
from training.network import forward
from training.pictures import Example, labels_of, picture_batches

TINY = np.finfo(np.float32).tiny


def mirrored_headline(
    model: Any,  # noqa: ANN401  Keras has no types
    probabilities: NDArray[np.float64],
    examples: Sequence[Example],
    class_names: Sequence[str],
    *,
    size: int,
    fit: Fit,
    bar: Bar,
) -> dict[str, float | None]:
    """Return the figures of the averaged answers.

    `probabilities` float64[N, classes] are the model's own of the same examples. Those that were
    lost since are in no figure.
    """
    run, lost = forward(model), dict[Path, Exception]()
    rows = [np.empty((0, probabilities.shape[1]), np.float32)]
    paths = [one.path for one in examples]
    for batch in picture_batches(paths, size, fit, broken=lost.__setitem__):
        rows.append(run(batch[:, :, ::-1]))
        bar.advance(len(batch))
    read = [place for place, path in enumerate(paths) if path not in lost]
    averaged = average(probabilities[read], np.concatenate(rows).astype(np.float64))
    return measure(averaged, labels_of(examples)[read], class_names).headline()


def average(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax of the mean of two answers' logits, float64[N, classes]."""
    return softmax((np.log(np.maximum(one, TINY)) + np.log(np.maximum(other, TINY))) / 2)
