"""Run an exported model over picture files, and over their mirror images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import softmax
from sceneset.images import Fit
from sceneset.progress import Bar
from training.data.version import Example, groups_of, labels_of, picture_batches
from training.evaluation.calibration import log_probabilities
from training.models.inference import forward


@dataclass(frozen=True)
class Answers:
    """Probabilities float64[N, classes] of the examples that could be read, and the others.

    `seconds` is the time from files to answers, without the first, compiling call.
    """

    probabilities: NDArray[np.float64]
    examples: tuple[Example, ...]
    unreadable: dict[str, str]
    seconds: float = 0.0

    @property
    def groups(self) -> NDArray[np.int64]:
        """Return the leak groups numbered from 0, int64[N]."""
        return groups_of(self.examples)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the true labels, int64[N]."""
        return labels_of(self.examples)


def answer(
    model: Any,  # noqa: ANN401
    examples: Sequence[Example],
    size: int,
    fit: Fit,
    bar: Bar,
    *,
    mirror: bool = False,
) -> Answers:
    """Run the model in batches of 32, over the mirror images if requested.

    Files that are no pictures are set aside with the reason.
    """
    run = forward(model)
    unreadable: dict[Path, str] = {}

    def set_aside(path: Path, error: Exception) -> None:
        unreadable[path] = str(error)
        bar.advance()

    rows = [np.empty((0, model.output.shape[-1]), np.float32)]
    paths = [example.path for example in examples]
    run(np.zeros((1, size, size, 3), np.uint8))
    began = perf_counter()
    for batch in picture_batches(paths, size, fit, broken=set_aside):
        rows.append(run(batch[:, :, ::-1] if mirror else batch))
        bar.advance(len(batch))
    return Answers(
        np.concatenate(rows).astype(np.float64),
        tuple(example for example in examples if example.path not in unreadable),
        {str(path): why for path, why in unreadable.items()},
        perf_counter() - began,
    )


def average(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax of the mean of two answers' logits, float64[N, classes]."""
    return softmax((log_probabilities(one) + log_probabilities(other)) / 2)
