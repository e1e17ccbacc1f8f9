"""Feed batches that Python makes to Keras, two ahead of the training step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend

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
    """Return a tf.data set of `count` batches; `batches` is called once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    tf = load_backend().tf
    signature = (
        tf.TensorSpec((None, size, size, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    made = tf.data.Dataset.from_generator(partial(_kept, batches), output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
