"""Turn JSON arrays into pixels for the model. Pure."""

import numpy as np
from numpy.typing import NDArray

from serving.refusal import RefusalError

CHANNELS = 3
_DEEPEST = 8  # a row of pixels has 4 dimensions; more brackets than this are no tensor


def pixels(value: object, size: int, most: int) -> NDArray[np.float32]:
    """Return nested lists of numbers as float32[N, size, size, 3], N at most `most`.

    One picture may come without its first dimension. Raises RefusalError (400, 413).
    """
    array = _numbers(value, most * size * size * CHANNELS)
    if array.shape == (size, size, CHANNELS):
        array = array[np.newaxis]
    return _checked(array, size)


def flat_pixels(value: object, shape: list[int], size: int, most: int) -> NDArray[np.float32]:
    """Return a flat or nested list of numbers as the shape it comes with.

    Raises RefusalError (400, 413).
    """
    array = _numbers(value, most * size * size * CHANNELS)
    if shape[1:] != [size, size, CHANNELS] or array.size != shape[0] * size * size * CHANNELS:
        raise _wrong_shape(size)
    return _checked(array.reshape(shape), size)


def _numbers(value: object, most: int) -> NDArray[np.float32]:
    if not isinstance(value, list):
        raise RefusalError(400, "bad_format", "The tensor is not a list")
    _check_leaves(value, most)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise RefusalError(400, "bad_format", "The tensor holds other values than numbers")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RefusalError(400, "bad_format", "The tensor's rows differ in length") from error
    except MemoryError as error:
        raise RefusalError(413, "too_many", "The tensor is too large") from error
    if not np.isfinite(array).all():
        raise RefusalError(400, "bad_format", "The tensor holds numbers beyond float32")
    return array


def _check_leaves(value: list[object], most: int) -> None:
    """Refuse anything but lists of numbers, and more than `most` of them, before numpy sees it.

    numpy gives every element the room of the longest text among them. Raises RefusalError.
    """
    level: list[list[object]] = [value]
    for _ in range(_DEEPEST):
        if sum(map(len, level)) > most:
            raise RefusalError(413, "too_many", "The tensor holds more than a request may")
        deeper: list[list[object]] = []
        for row in level:
            kinds = set(map(type, row))
            if kinds == {list}:
                deeper += [part for part in row if isinstance(part, list)]
            elif kinds - {int, float, bool}:
                raise _no_numbers(mixed=list in kinds)
        if not deeper:
            return
        level = deeper
    raise RefusalError(400, "bad_format", "The tensor is nested too deeply")


def _no_numbers(*, mixed: bool) -> RefusalError:
    if mixed:
        return RefusalError(400, "bad_format", "The tensor's rows differ in length")
    return RefusalError(400, "bad_format", "The tensor holds other values than numbers")


def _checked(array: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if array.ndim != CHANNELS + 1 or array.shape[1:] != (size, size, CHANNELS):
        raise _wrong_shape(size)
    return array


def _wrong_shape(size: int) -> RefusalError:
    return RefusalError(400, "bad_format", f"The tensor's shape is not [N, {size}, {size}, 3]")
