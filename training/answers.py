"""Run an exported model over picture files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures import Fit
from pipeline.progress import Bar
from training.backend import load_backend
from training.network import forward
from training.pictures import Example, labels_of, picture_batches


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
        """Return the leak groups numbered from 0, int[N]; a picture of no known group is its own."""
        names = [e.group or f"{place}" for place, e in enumerate(self.examples)]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the true labels, int64[N]."""
        return labels_of(self.examples)


def load_model(path: Path) -> Any:  # noqa: ANN401  Keras has no types
    """Load an exported model.keras; code inside the file is refused (Keras' safe mode)."""
    return load_backend().keras.saving.load_model(path, compile=False, safe_mode=True)


def fit_of(word: str) -> Fit:
    """Return a bundle's word for how pictures are made square, as a type."""
    return "pad" if word == "pad" else "stretch" if word == "stretch" else "crop"


def answer(
    model: Any,  # noqa: ANN401
    examples: Sequence[Example],
    size: int,
    fit: Fit,
    bar: Bar,
) -> Answers:
    """Run the model in batches of 32; files that are no pictures are set aside with the reason."""
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
        rows.append(run(batch))
        bar.advance(len(batch))
    return Answers(
        np.concatenate(rows).astype(np.float64),
        tuple(example for example in examples if example.path not in unreadable),
        {str(path): why for path, why in unreadable.items()},
        perf_counter() - began,
    )
