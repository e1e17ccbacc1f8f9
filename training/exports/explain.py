"""Find what Grad-CAM needs inside an exported model: last feature map, pooled values, head."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.backend import load_backend
from training.settings import HEAD_FILE

HEAD_NAME = "head"
Dense = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Anatomy:
    """The tensors of an exported model that an explanation is made from, and its head."""

    feature_map: Any
    pooled: Any
    probabilities: Any
    head: tuple[Dense, ...]


def anatomy(model: Any) -> Anatomy:  # noqa: ANN401  Keras has no types
    """Return the last tap's feature map, the pooled values in the head's order, and the head.

    The model is backbone, one global average pooling per tap, their concatenation if there are
    several, the Sequential `head`, softmax.
    """
    layers = load_backend().keras.layers
    names = [layer.name for layer in model.layers]
    before = model.layers[names.index(HEAD_NAME) - 1]
    last = before
    if isinstance(before, layers.Concatenate):
        pools = [one for one in model.layers if isinstance(one, layers.GlobalAveragePooling2D)]
        last = next(one for one in pools if one.output is before.input[-1])
    if not isinstance(last, layers.GlobalAveragePooling2D):
        raise TypeError(f"the head reads {before.name}, which pools no feature map")
    return Anatomy(last.input, before.output, model.output, dense_layers(model))


def dense_layers(model: Any) -> tuple[Dense, ...]:  # noqa: ANN401
    """Return the head's kernels float32[in, out] and biases float32[out], first to last.

    All but the last end in a relu; dropout does nothing at inference. Raises TypeError for any
    other head, which the explanation could not follow.
    """
    layers = load_backend().keras.layers
    found = []
    for layer in model.get_layer(HEAD_NAME).layers:
        if isinstance(layer, layers.Dense):
            found.append((layer, tuple(np.asarray(w, np.float32) for w in layer.get_weights())))
        elif not isinstance(layer, layers.Dropout | layers.InputLayer):
            raise TypeError(f"the head holds {layer.name}, which is neither dense nor dropout")
    kinds = [layer.activation.__name__ for layer, _ in found]
    if kinds != ["relu"] * (len(kinds) - 1) + ["linear"]:
        raise TypeError(f"the head's activations are {kinds}")
    return tuple((weights[0], weights[1]) for _, weights in found)


def write_head(folder: Path, head: tuple[Dense, ...]) -> Path:
    """Write head.npz: kernel_0, bias_0, kernel_1 and so on, float32."""
    arrays = {
        f"{name}_{place}": array
        for place, dense in enumerate(head)
        for name, array in zip(("kernel", "bias"), dense, strict=True)
    }
    path = folder / HEAD_FILE
    np.savez(path, allow_pickle=False, **arrays)
    return path
