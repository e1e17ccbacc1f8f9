"""Turn JSON arrays into pixels for the model. Pure."""

import numpy as np
from numpy.typing import NDArray

from serving.refusal import RefusalError

CHANNELS = 3


def pixels(value: object, size: int) -> NDArray[np.float32]:
    """Return nested lists of numbers as float32[N, size, size, 3]. Raises RefusalError (400).

    One picture may come without its first dimension.
    """
    array = _numbers(value)
    if array.shape == (size, size, CHANNELS):
        array = array[np.newaxis]
    return _checked(array, size)


def flat_pixels(value: object, shape: list[int], size: int) -> NDArray[np.float32]:
    """Return a flat or nested list of numbers as the shape it comes with. Raises RefusalError."""
    array = _numbers(value)
    if shape[1:] != [size, size, CHANNELS] or array.size != shape[0] * size * size * CHANNELS:
        raise _wrong_shape(size)
    return _checked(array.reshape(shape), size)


def _numbers(value: object) -> NDArray[np.float32]:
    if not isinstance(value, list):
        raise RefusalError(400, "bad_format", "The tensor is not a list")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise RefusalError(400, "bad_format", "The tensor holds other values than numbers")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RefusalError(400, "bad_format", "The tensor's rows differ in length") from error
    if not np.isfinite(array).all():
        raise RefusalError(400, "bad_format", "The tensor holds numbers beyond float32")
    return array


def _checked(array: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if array.ndim != CHANNELS + 1 or array.shape[1:] != (size, size, CHANNELS):
        raise _wrong_shape(size)
    return array


def _wrong_shape(size: int) -> RefusalError:
    return RefusalError(400, "bad_format", f"The tensor's shape is not [N, {size}, {size}, 3]")
