"""Build VGG-16 with its top from a file of weights in the layout that Keras publishes."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.class_names import check_names, read_class_names
from sceneset.errors import DamagedDataError, SettingsError
from training.imported.opening import Foreign
from training.models.backend import load_backend

Channels = Literal["last", "first"]
# Convolutions of each of the five blocks, which each halve the picture; then the dense layers.
_BLOCKS = (2, 2, 3, 3, 3)
_CONVOLUTIONS, _DENSE = sum(_BLOCKS), 3
_HALVED = 2 ** len(_BLOCKS)
_RANK = 4
# The dense layers of the conversion from Caffe, whose pictures had their channels first.
_OF_CAFFE = "fc6"
# Weights drawn at random, only to be replaced, would take memory several times over.
_EMPTY = {"kernel_initializer": "zeros"}


class Weights(NamedTuple):
    """A layer's name, kernel and bias, as the file holds them."""

    name: str
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


class Opened(NamedTuple):
    """A network, in which order its first dense layer read the feature map, and why so."""

    foreign: Foreign
    channels: Channels
    why: str


def open_vgg16(path: Path, channels: Channels | None = None, *, published: bool = False) -> Opened:
    """Return the network whose weights a file holds: its widths, picture size and classes are read.

    It takes blue, green, red minus means, and gives probabilities. `channels` says in which order
    the first dense layer reads the feature map. By default `last` for the published downloads, whose
    loader puts them into a network of that order whatever its layers are called; of other files
    `first` where the layers have Caffe's names. Raises DamagedDataError for a file that does not
    hold a whole VGG-16.
    """
    layers = read_layers(path)
    order, why = _order(layers, channels, published=published)
    side = check_layers(path, layers)
    network = _build(layers, side, order)
    shape = (None, side * _HALVED, side * _HALVED, 3)
    foreign = Foreign(
        path,
        shape,
        (None, len(layers[-1].bias)),
        "float32",
        lambda pixels: network(pixels, training=False),
        tuple(network.variables),
        network,
    )
    return Opened(foreign, order, why)


def _order(
    layers: Sequence[Weights], asked: Channels | None, *, published: bool
) -> tuple[Channels, str]:
    if asked is not None:
        return asked, "as stated"
    if published:
        return "last", "the order of the published file"
    if any(one.name == _OF_CAFFE for one in layers):
        return "first", f"its layers have Caffe's names ({_OF_CAFFE})"
    return "last", "its layers have Keras' names"


def read_layers(path: Path) -> list[Weights]:
    """Read the layers of an .h5 file that hold a kernel and a bias. Raises DamagedDataError."""
    import h5py  # noqa: PLC0415  comes with Keras

    found = []
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            for name in map(_text, group.attrs["layer_names"]):
                arrays = [group[name][_text(one)] for one in group[name].attrs["weight_names"]]
                if len(arrays) == 2:  # noqa: PLR2004  kernel and bias
                    found.append(Weights(name, *(np.asarray(one, np.float32) for one in arrays)))
                elif arrays:
                    raise _misfit(path, f"its layer {name} holds {len(arrays)} arrays")
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise _misfit(path, f"it cannot be read ({error})") from error
    return found


def check_layers(path: Path, layers: Sequence[Weights]) -> int:
    """Return the side of the last feature map. Raises DamagedDataError unless it is a VGG-16."""
    if len(layers) != _CONVOLUTIONS + _DENSE:
        wanted = f"{_CONVOLUTIONS} convolutions and {_DENSE} dense layers"
        raise _misfit(path, f"it holds {len(layers)} layers with weights, not {wanted}")
    width, side = 3, 1
    for place, (name, kernel, bias) in enumerate(layers):
        if place == _CONVOLUTIONS:
            side = isqrt(max(1, len(kernel) // width))
            width *= side * side
        takes = (3, 3, width) if place < _CONVOLUTIONS else (width,)
        if kernel.shape[:-1] != takes or bias.shape != kernel.shape[-1:]:
            raise _misfit(path, f"its layer {name} is {kernel.shape}, not {(*takes, len(bias))}")
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise _misfit(path, f"its layer {name} holds values that are no numbers")
        width = len(bias)
    return side


def _build(layers: Sequence[Weights], side: int, order: Channels) -> Any:  # noqa: ANN401  no types
    keras = load_backend().keras
    kinds = keras.layers
    size = side * _HALVED
    stack, rest = [keras.Input((size, size, 3))], iter(layers)
    for count in _BLOCKS:
        stack += [
            kinds.Conv2D(
                len(one.bias), 3, padding="same", activation="relu", name=one.name, **_EMPTY
            )
            for one in islice(rest, count)
        ]
        stack.append(kinds.MaxPooling2D())
    stack.append(kinds.Flatten())
    tops = layers[_CONVOLUTIONS:]
    ends = ["relu"] * (_DENSE - 1) + ["softmax"]
    stack += [
        kinds.Dense(len(one.bias), activation=end, name=one.name, **_EMPTY)
        for one, end in zip(tops, ends, strict=True)
    ]
    network = keras.Sequential(stack)
    for one in layers:
        kernel = one.kernel
        if one is tops[0] and order == "first":
            kernel = channels_last(kernel, side)
        network.get_layer(one.name).set_weights([kernel, one.bias])
    return network


def channels_last(kernel: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return a kernel float32[channels * side * side, N] with its rows for [side, side, channels]."""
    rows = kernel.reshape(-1, side, side, kernel.shape[-1])
    return rows.transpose(1, 2, 0, 3).reshape(kernel.shape)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _misfit(path: Path, why: str) -> DamagedDataError:
    return DamagedDataError(
        f"the weights {path} are not those of a VGG-16 with its top: {why}",
        cure="remove the file if it is a broken download; else name the published one with its top",
    )


# A place below its initial, or an object of ImageNet below its number; then the label.
_PLACE = re.compile(r"/[a-z]/(\S+) (\d+)")
_OBJECT = re.compile(r"(n\d{8}) (.+) (\d+)")


def read_categories(path: Path) -> tuple[str, ...]:
    """Return the names of a published category list, or of any file of class names.

    Raises MissingInputError, SettingsError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return read_class_names(path)  # which says what is wrong
    told = [line.strip() for line in lines if line.strip()]
    if not told or not (_PLACE.fullmatch(told[0]) or _OBJECT.fullmatch(told[0])):
        return read_class_names(path)
    return check_names(category_names(told, path), path)


def category_names(lines: Sequence[str], path: Path) -> list[str]:
    """Return the names of category lines by their labels.

    `/l/lake/natural 205` is lake-natural. An object is its first name; one that has the name of
    another class has its number too. Raises SettingsError for a line of another form.
    """
    found: dict[int, tuple[str, str]] = {}
    for line in lines:
        place, thing = _PLACE.fullmatch(line), _OBJECT.fullmatch(line)
        if place:
            found[int(place[2])] = (place[1].replace("/", "-"), "")
        elif thing:
            found[int(thing[3])] = (thing[2].split(",")[0].strip(), thing[1])
        else:
            raise _odd(path, f"the line {line!r}, which is no category and its label")
    if sorted(found) != list(range(len(lines))):
        raise _odd(path, f"{len(lines)} lines whose labels are not 0 to {len(lines) - 1}")
    counts = Counter(name for name, _ in found.values())
    ordered = [found[label] for label in range(len(lines))]
    return [
        f"{name} ({number})" if number and counts[name] > 1 else name for name, number in ordered
    ]


def _odd(path: Path, what: str) -> SettingsError:
    return SettingsError(
        f"{path} holds {what}", cure="give the published category list, or a file of class names"
    )
