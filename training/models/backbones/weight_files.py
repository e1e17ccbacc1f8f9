"""Download a file of weights, load it into a network, and see that every layer got its own."""

import hashlib
import json
import os
import re
import threading
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.atomic import write_file

_LENGTH_BYTES = 8
_TYPES = {"F32": "<f4", "F16": "<f2"}
_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)")
_STEM = {"conv1": "conv1_conv", "bn1": "conv1_bn"}
_TOP = "fc"
_NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def read_torch_layers(path: Path) -> dict[str, list[NDArray[Any]]]:
    """Return the arrays of a ResNet's layers in a .safetensors file, without the top, as in Keras.

    Raises ValueError when the file is cut short or holds another kind of network.
    """
    tensors = read_tensors(path)
    names = dict.fromkeys(key.rpartition(".")[0] for key in tensors)
    return {_keras_name(name): _arrays(name, tensors) for name in names if name != _TOP}


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .safetensors file by name.

    The format: the header's length as 8 bytes, a JSON header with types, shapes and offsets, the
    bytes. https://github.com/huggingface/safetensors
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if len(data) < start or data[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        raise ValueError("it is no safetensors file")
    try:
        header = json.loads(data[_LENGTH_BYTES:start])
        header.pop("__metadata__", None)
        return {name: _array(memoryview(data)[start:], entry) for name, entry in header.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its header is damaged: {error!r}") from error


def _array(data: memoryview, entry: dict[str, Any]) -> NDArray[Any]:
    first, end = entry["data_offsets"]
    if not 0 <= first <= end <= len(data):
        raise ValueError("it is cut short")
    kind = _TYPES.get(entry["dtype"], "u1")
    return np.frombuffer(data[first:end], kind).reshape(entry["shape"] if kind != "u1" else -1)


def _arrays(name: str, tensors: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    parts = [tensors[f"{name}.{part}"] for part in _NORMALISATION if f"{name}.{part}" in tensors]
    # PyTorch keeps a kernel as output, input, height, width.
    return [part.transpose(2, 3, 1, 0) if part.ndim == 4 else part for part in parts]  # noqa: PLR2004


def _keras_name(name: str) -> str:
    if name in _STEM:
        return _STEM[name]
    matched = _BLOCK.fullmatch(name)
    if matched is None:
        raise ValueError(f"its layer {name} is none of a residual network of basic blocks")
    stage, block, kind, number = matched.groups()
    place = f"conv{int(stage) + 1}_block{int(block) + 1}"
    if kind == "downsample.":
        return f"{place}_0_{'conv' if number == '0' else 'bn'}"
    return f"{place}_{number}_{kind}"


class Layer(NamedTuple):
    """A layer that has weights: its name and their shapes."""

    name: str
    shapes: tuple[tuple[int, ...], ...]


def load_weights(network: Any, path: Path) -> None:  # noqa: ANN401  Keras has no types
    """Load a .h5 or .weights.h5 of Keras, or a .safetensors of PyTorch, with or without the top.

    Raises ValueError or OSError saying why it does not fit; the network is then part old, part new.
    """
    if path.suffix == ".safetensors":
        _fill(network, read_torch_layers(path))
        return
    import h5py  # noqa: PLC0415  comes with Keras

    if not h5py.is_hdf5(path):
        raise ValueError("it is no HDF5 file")
    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        if _texts(group, "layer_names"):
            _fill(network, stored_layers(group))
            return
        if "layers" not in group and "_layer_checkpoint_dependencies" not in group:
            raise ValueError("it holds no layers of Keras")
    load_keras_file(network, path)


def load_keras_file(network: Any, path: Path) -> None:  # noqa: ANN401
    """Load a .weights.h5 as Keras 3 writes it. Raises ValueError when a layer gets none."""
    for variable in network.weights:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    with warnings.catch_warnings():
        # Keras only warns when it leaves layers as they were.
        warnings.simplefilter("error", UserWarning)
        try:
            network.load_weights(path)
        except (KeyError, TypeError, UserWarning) as error:
            raise ValueError(str(error)) from error
    for variable in network.weights:
        _check_finite(np.asarray(variable), variable.path)


def match(wanted: Sequence[Layer], stored: Sequence[Layer]) -> list[int]:
    """Return the index of the stored layer for each wanted one: by name, the others in order.

    What is left over must come after all that is used: it is the top. Anything else is another
    architecture. Raises ValueError naming the first layer that does not fit.
    """
    by_name = {layer: index for index, layer in enumerate(stored)}
    named = [by_name.get(layer) for layer in wanted]
    used = set(named)
    rest = iter([index for index in range(len(stored)) if index not in used])
    chosen = [
        index if index is not None else _next(layer, rest, stored)
        for layer, index in zip(wanted, named, strict=True)
    ]
    strangers = set(range(max(chosen, default=0))) - set(chosen)
    if strangers:
        raise ValueError(f"its layer {stored[min(strangers)].name} has no place in the network")
    return chosen


def _next(layer: Layer, rest: Any, stored: Sequence[Layer]) -> int:  # noqa: ANN401
    index: int | None = next(rest, None)
    if index is None:
        raise ValueError(f"it has nothing for layer {layer.name}")
    if stored[index].shapes != layer.shapes:
        raise ValueError(
            f"layer {layer.name} takes {_format_shapes(layer)}, its layer {stored[index].name} holds"
            f" {_format_shapes(stored[index])}"
        )
    return index


def _format_shapes(layer: Layer) -> str:
    return " + ".join("x".join(map(str, shape)) or "1" for shape in layer.shapes)


def _fill(network: Any, stored: Mapping[str, Sequence[Any]]) -> None:  # noqa: ANN401
    layers = [layer for layer in network.layers if layer.weights]
    wanted = [_layer(layer.name, _variables(layer)) for layer in layers]
    held = [_layer(name, arrays) for name, arrays in stored.items()]
    for layer, index in zip(layers, match(wanted, held), strict=True):
        for variable, array in zip(_variables(layer), stored[held[index].name], strict=True):
            values = np.asarray(array)
            _check_finite(values, variable.path)
            variable.assign(values)


def _layer(name: str, arrays: Sequence[Any]) -> Layer:
    return Layer(name, tuple(tuple(array.shape) for array in arrays))


def _variables(layer: Any) -> list[Any]:  # noqa: ANN401
    """Return a layer's weights in the order in which the .h5 layout stores them."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _check_finite(values: Any, name: str) -> None:  # noqa: ANN401
    if not np.isfinite(values).all():
        raise ValueError(f"{name} got no value, or one that is not finite")


def stored_layers(group: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    """Return the arrays of the layers of the .h5 layout that hold weights, in their order.

    They are read when they are used.
    """
    weights = {name: _texts(group[name], "weight_names") for name in _texts(group, "layer_names")}
    return {
        layer: [group[layer][name] for name in names] for layer, names in weights.items() if names
    }


def _texts(group: Any, name: str) -> list[str]:  # noqa: ANN401
    """Return an attribute that lists texts; long lists are stored in numbered pieces."""
    numbered = takewhile(group.attrs.__contains__, (f"{name}{k}" for k in count()))
    pieces = [name] if name in group.attrs else numbered
    texts = [text for piece in pieces for text in group.attrs[piece]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


REACH_SECONDS = 5.0
STALL_SECONDS = 30.0
_MD5_DIGITS = 32


def keras_home() -> Path:
    """Return the folder in which Keras keeps what it downloads."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def is_intact(path: Path, digest: str | None) -> bool:
    """Say whether the file is there and is the one that was published."""
    return path.is_file() and (digest is None or has_digest(path.read_bytes(), digest))


def has_digest(data: bytes, digest: str) -> bool:
    """Say whether bytes have an MD5 or SHA-256, told apart by its length."""
    # Keras publishes MD5 of its older files; against accidents it will do.
    algorithm = "md5" if len(digest) == _MD5_DIGITS else "sha256"
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == digest


def unreachable(url: str, *, seconds: float = REACH_SECONDS) -> str | None:
    """Ask for a URL without its content; return why it cannot be had, or None."""
    answer: list[str | None] = [f"no answer from the download address within {seconds:.0f} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310
            with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
                answer[0] = None
        except (OSError, ValueError, HTTPException) as error:
            answer[0] = _why(error)

    # Name resolution knows no timeout, so the question runs in a thread.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answer[0]


def download(url: str, path: Path, digest: str | None) -> str | None:
    """Download a file whole into its place; return why it failed, or None.

    Raises OSError when the place cannot be written.
    """
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as answer:  # noqa: S310  our own https URLs
            data = answer.read()
            promised = answer.headers.get("Content-Length")
    except (OSError, ValueError, HTTPException) as error:
        return _why(error)
    if promised is not None and len(data) != int(promised):
        return f"{len(data)} of {promised} bytes came"
    if digest is not None and not has_digest(data, digest):
        return "what came is not the published file: its checksum differs"
    write_file(path, data)
    return None


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__
