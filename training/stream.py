"""Feed batches that Python makes to Keras, two ahead of the training step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.pictures import read_ahead

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]

_FAILURES: list[Exception] = []


def _kept(batches: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    """Yield batches; keep what they raise, which TensorFlow would turn into text."""
    try:
        yield from batches()
    except Exception as error:
        _FAILURES.append(error)
        raise


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a stream's batches raised in the block in place of TensorFlow's error."""
    _FAILURES.clear()
    try:
        yield
    except Exception as error:
        if _FAILURES:
            raise _FAILURES[0] from error
        raise


def stream(batches: Callable[[], Iterator[Batch]], size: int, count: int) -> Any:  # noqa: ANN401  Keras has no types
    """Return what Keras fits on: `count` batches; `batches` is called once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    return read_ahead(partial(_kept, batches), size, count)
