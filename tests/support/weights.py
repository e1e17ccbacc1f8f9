"""Write files of weights as Keras and PyTorch publish them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]
# Keras' own saving asks TensorFlow for copies in the old way.
IGNORE_COPIES = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def same(first: Arrays, second: Arrays) -> bool:
    """Say whether two lists of arrays are equal bit by bit."""
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def write_h5(path: Path, told: Sequence[tuple[str, Arrays]], *, group: str | None = None) -> Path:
    """Write the layout in which Keras' published weights lie."""
    with h5py.File(path, "w") as file:
        root = file.create_group(group) if group else file
        root.attrs["layer_names"] = [name.encode() for name, _ in told]
        for name, arrays in told:
            inner = root.create_group(name)
            weights = [f"{name}/{number}" for number in range(len(arrays))]
            inner.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in zip(weights, arrays, strict=True):
                inner[weight] = array
    return path


def write_safetensors(path: Path, tensors: dict[str, NDArray[Any]]) -> Path:
    """Write the format in which PyTorch's users publish."""
    header, data = {}, b""
    for name, array in sorted(tensors.items()):
        end = len(data) + array.nbytes
        header[name] = {
            "dtype": "F32" if array.dtype == np.float32 else "I64",
            "shape": list(array.shape),
            "data_offsets": [len(data), end],
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def torch_tensors(base: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401  Keras has no types
    """Name and turn a network's weights as PyTorch does."""
    found: dict[str, NDArray[Any]] = {
        "fc.weight": np.zeros((1000, 512), np.float32),
        "bn1.num_batches_tracked": np.zeros((), np.int64),
    }
    for layer in base.layers:
        if not layer.weights:
            continue
        stage, *rest = layer.name.split("_")
        kind = rest[-1]
        place = {"conv": "conv1", "bn": "bn1"}[kind]
        if len(rest) > 1:
            block = f"layer{int(stage[4:]) - 1}.{int(rest[0][5:]) - 1}"
            short = {"conv": "downsample.0", "bn": "downsample.1"}
            place = f"{block}.{short[kind] if rest[1] == '0' else kind + rest[1]}"
        parts = ["weight", "bias", "running_mean", "running_var"]
        for part, array in zip(parts, layer.get_weights(), strict=False):
            turned = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
            found[f"{place}.{part}"] = np.ascontiguousarray(turned)
    return found
