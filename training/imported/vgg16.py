"""Find the published VGG-16 of Places365, and build the network of such a file of weights."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.class_names import check_names, read_class_names
from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, UsageError
from training.imported.opening import ImportedModel
from training.models.backbones.weight_files import (
    download,
    is_intact,
    keras_home,
    stored_layers,
    unreachable,
)
from training.models.backend import keras
from training.settings import Channels

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


def open_vgg16(
    path: Path, channels: Channels | None = None, *, published: bool = False
) -> tuple[ImportedModel, Channels, str]:
    """Return the network whose weights a file holds: its widths, picture size and classes are read.

    Beside it, in which order its first dense layer read the feature map, and why so.

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
    model = ImportedModel(
        path,
        shape,
        (None, len(layers[-1].bias)),
        "float32",
        lambda pixels: network(pixels, training=False),
        tuple(network.variables),
        network,
    )
    return model, order, why


def _order(
    layers: Sequence[Weights], requested: Channels | None, *, published: bool
) -> tuple[Channels, str]:
    if requested is not None:
        return requested, "as stated"
    if published:
        return "last", "the order of the published file"
    if any(one.name == _OF_CAFFE for one in layers):
        return "first", f"its layers have Caffe's names ({_OF_CAFFE})"
    return "last", "its layers have Keras' names"


def read_layers(path: Path) -> list[Weights]:
    """Read the layers of an .h5 file that hold a kernel and a bias. Raises DamagedDataError."""
    import h5py  # noqa: PLC0415  comes with Keras

    try:
        with h5py.File(path, "r") as file:
            stored = stored_layers(file.get("model_weights", file))
            for name, arrays in stored.items():
                if len(arrays) != 2:  # noqa: PLR2004  kernel and bias
                    raise _misfit(path, f"its layer {name} holds {len(arrays)} arrays")
            return [
                Weights(name, *(np.asarray(one, np.float32) for one in arrays))
                for name, arrays in stored.items()
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise _misfit(path, f"it cannot be read ({error})") from error


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
    lines = [line.strip() for line in lines if line.strip()]
    if not lines or not (_PLACE.fullmatch(lines[0]) or _OBJECT.fullmatch(lines[0])):
        return read_class_names(path)
    return check_names(category_names(lines, path), path)


def category_names(lines: Sequence[str], path: Path) -> list[str]:
    """Return the names of category lines by their labels.

    `/l/lake/natural 205` is lake-natural. An object is its first name; one that has the name of
    another class has its number too. Raises SettingsError for a line of another form.
    """
    categories: dict[int, tuple[str, str]] = {}
    for line in lines:
        place, thing = _PLACE.fullmatch(line), _OBJECT.fullmatch(line)
        if place:
            categories[int(place[2])] = (place[1].replace("/", "-"), "")
        elif thing:
            categories[int(thing[3])] = (thing[2].split(",")[0].strip(), thing[1])
        else:
            raise _odd(path, f"the line {line!r}, which is no category and its label")
    if sorted(categories) != list(range(len(lines))):
        raise _odd(path, f"{len(lines)} lines whose labels are not 0 to {len(lines) - 1}")
    counts = Counter(name for name, _ in categories.values())
    return [
        f"{name} ({number})" if number and counts[name] > 1 else name
        for _, (name, number) in sorted(categories.items())
    ]


def _odd(path: Path, what: str) -> SettingsError:
    return SettingsError(
        f"{path} holds {what}", cure="give the published category list, or a file of class names"
    )


Fetch = Callable[[str, Path], str | None]
_WEIGHTS = "https://github.com/GKalliatakis/Keras-VGG16-places365/releases/download/v1.0"
_LISTS = "https://raw.githubusercontent.com/CSAILVision/places365/master"


# What their files are called, by the option's word and by their classes.
_PUBLISHED = {"places": "places365", "hybrid": "hybrid1365"}
_BY_CLASSES = {365: "places365", 1365: "hybrid1365"}
_FILE = "vgg16-{}_weights_tf_dim_ordering_tf_kernels.h5"


def is_published(path: Path) -> bool:
    """Say whether a file has the name of a published one, downloaded here or elsewhere."""
    return path.name in map(_FILE.format, _PUBLISHED.values())


def find_file(weights: str, fetch: Fetch) -> Path:
    """Return the file of weights, downloaded when needed.

    Raises SettingsError for what is no file, MissingInputError when it cannot be downloaded.
    """
    if weights in _PUBLISHED:
        url = f"{_WEIGHTS}/{_FILE.format(_PUBLISHED[weights])}"
        return _download_once(url, fetch, "weights", "--weights PATH")
    path = Path(weights)
    if not path.is_file():
        raise SettingsError(
            f"--weights {weights} is no file", cure="--weights places, hybrid, or the path of a .h5"
        )
    return path


def find_list(classes: int, fetch: Fetch) -> Path:
    """Return the published category list of a network with so many classes, downloaded if needed.

    Raises SettingsError when there is none of that length, MissingInputError as `find_file`.
    """
    if classes not in _BY_CLASSES:
        raise SettingsError(
            f"the weights have {classes} classes, and the published lists have 365 and 1365",
            cure="--class-names FILE: one name per class, in the order of the outputs",
        )
    url = f"{_LISTS}/categories_{_BY_CLASSES[classes]}.txt"
    return _download_once(url, fetch, "category list", "--class-names FILE")


def read_list(path: Path, classes: int) -> tuple[str, ...]:
    """Return the names of a downloaded list.

    Raises DamagedDataError, which says to remove it, when it is not a list of so many.
    """
    try:
        names = read_categories(path)
    except UsageError as error:
        raise _stale(path, str(error)) from error
    if len(names) != classes:
        raise _stale(path, f"it holds {len(names)} names, the weights have {classes} classes")
    return names


def fetch_file(url: str, path: Path) -> str | None:
    """Download a file to its place; return why that failed, or None."""
    return unreachable(url) or download(url, path, None)


def _stale(path: Path, why: str) -> DamagedDataError:
    return DamagedDataError(
        f"the downloaded category list {path} is not the published one: {why}",
        cure="remove that file, and it is downloaded anew; or give --class-names FILE",
    )


def _download_once(url: str, fetch: Fetch, what: str, instead: str) -> Path:
    path = keras_home() / "models" / url.rpartition("/")[2]
    if is_intact(path, None):
        return path
    why = fetch(url, path)
    if why is not None:
        raise MissingInputError(
            f"the {what} {url} could not be downloaded: {why}",
            cure=f"download it elsewhere and give {instead}",
        )
    return path
