"""Read tensors of JSON strictly: pixels for the model, nested or flat."""

import numpy as np
from numpy.typing import NDArray

from serving.http.errors import HTTPError, bad_format

CHANNELS = 3
_DEEPEST = 8  # a row of pixels has 4 dimensions; more brackets than this are no tensor


def parse_pixels(value: object, size: int, most: int) -> NDArray[np.float32]:
    """Return nested lists of numbers as float32[N, size, size, 3], N at most `most`.

    One picture may come without its first dimension. Raises HTTPError (400, 413).
    """
    array = _numbers(value, most * size * size * CHANNELS)
    if array.shape == (size, size, CHANNELS):
        array = array[np.newaxis]
    if array.ndim != CHANNELS + 1 or array.shape[1:] != (size, size, CHANNELS):
        raise _wrong_shape(size)
    return array


def parse_flat_pixels(value: object, shape: list[int], size: int, most: int) -> NDArray[np.float32]:
    """Return a flat or nested list of numbers as the shape it comes with.

    Raises HTTPError (400, 413).
    """
    array = _numbers(value, most * size * size * CHANNELS)
    if shape[1:] != [size, size, CHANNELS] or array.size != shape[0] * size * size * CHANNELS:
        raise _wrong_shape(size)
    return array.reshape(shape)


def _numbers(value: object, most: int) -> NDArray[np.float32]:
    if not isinstance(value, list):
        raise bad_format("The tensor is not a list")
    _check_leaves(value, most)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise bad_format("The tensor holds other values than numbers")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    except (ValueError, OverflowError, RecursionError) as error:
        raise bad_format("The tensor's rows differ in length") from error
    except MemoryError as error:
        raise HTTPError(413, "too_many", "The tensor is too large") from error
    if not np.isfinite(array).all():
        raise bad_format("The tensor holds numbers beyond float32")
    return array


def _check_leaves(value: list[object], most: int) -> None:
    """Refuse anything but lists of numbers, and more than `most` of them, before numpy sees it.

    numpy gives every element the room of the longest text among them. Raises HTTPError.
    """
    level: list[list[object]] = [value]
    for _ in range(_DEEPEST):
        if sum(map(len, level)) > most:
            raise HTTPError(413, "too_many", "The tensor holds more than a request may")
        deeper: list[list[object]] = []
        for row in level:
            kinds = set(map(type, row))
            if kinds == {list}:
                deeper += [part for part in row if isinstance(part, list)]
            elif list in kinds:
                raise bad_format("The tensor's rows differ in length")
            elif kinds - {int, float, bool}:
                raise bad_format("The tensor holds other values than numbers")
        if not deeper:
            return
        level = deeper
    raise bad_format("The tensor is nested too deeply")


def _wrong_shape(size: int) -> HTTPError:
    return bad_format(f"The tensor's shape is not [N, {size}, {size}, 3]")
