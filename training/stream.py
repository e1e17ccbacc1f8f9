"""Feed batches that Python makes to Keras, two ahead of the training step."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def stream(batches: Callable[[], Iterator[Batch]], size: int, count: int) -> Any:  # noqa: ANN401  Keras has no types
    """Return a tf.data set of `count` batches; `batches` is called once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    tf = load_backend().tf
    signature = (
        tf.TensorSpec((None, size, size, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
