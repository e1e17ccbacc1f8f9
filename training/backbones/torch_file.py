"""Read the residual networks that PyTorch's users publish, as layers named as ours."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTH_BYTES = 8
_TYPES = {"F32": "<f4", "F16": "<f2"}
_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)")
_STEM = {"conv1": "conv1_conv", "bn1": "conv1_bn"}
_TOP = "fc"
_NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def read_torch_layers(path: Path) -> list[tuple[str, list[NDArray[Any]]]]:
    """Return the layers of a ResNet in a .safetensors file, without the top, kernels as in Keras.

    Raises ValueError when the file is cut short or holds another kind of network.
    """
    tensors = read_tensors(path)
    names = dict.fromkeys(key.rpartition(".")[0] for key in tensors)
    return [(_our_name(name), _arrays(name, tensors)) for name in names if name != _TOP]


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
        return {name: _array(memoryview(data)[start:], told) for name, told in header.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its header is damaged: {error!r}") from error


def _array(data: memoryview, told: dict[str, Any]) -> NDArray[Any]:
    first, end = told["data_offsets"]
    if not 0 <= first <= end <= len(data):
        raise ValueError("it is cut short")
    kind = _TYPES.get(told["dtype"], "u1")
    return np.frombuffer(data[first:end], kind).reshape(told["shape"] if kind != "u1" else -1)


def _arrays(name: str, tensors: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    parts = [tensors[f"{name}.{part}"] for part in _NORMALISATION if f"{name}.{part}" in tensors]
    # PyTorch keeps a kernel as output, input, height, width.
    return [part.transpose(2, 3, 1, 0) if part.ndim == 4 else part for part in parts]  # noqa: PLR2004


def _our_name(name: str) -> str:
    if name in _STEM:
        return _STEM[name]
    found = _BLOCK.fullmatch(name)
    if found is None:
        raise ValueError(f"its layer {name} is none of a residual network of basic blocks")
    stage, block, kind, number = found.groups()
    place = f"conv{int(stage) + 1}_block{int(block) + 1}"
    if kind == "downsample.":
        return f"{place}_0_{'conv' if number == '0' else 'bn'}"
    return f"{place}_{number}_{kind}"
