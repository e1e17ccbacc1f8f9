"""Find what Grad-CAM needs inside an exported model: last feature map, pooled values, head."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import Dense, heat_map, read_head
from training.models.backend import keras
from training.models.inference import Pictures, forward_all
from training.settings import HEAD_FILE

HEAD_NAME = "head"
Floats = NDArray[np.float32]


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
    layers = keras.layers
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
    layers = keras.layers
    head = model.get_layer(HEAD_NAME).layers
    dense = [layer for layer in head if isinstance(layer, layers.Dense)]
    for layer in head:
        if not isinstance(layer, layers.Dense | layers.Dropout | layers.InputLayer):
            raise TypeError(f"the head holds {layer.name}, which is neither dense nor dropout")
    activations = [layer.activation.__name__ for layer in dense]
    if activations != ["relu"] * (len(dense) - 1) + ["linear"]:
        raise TypeError(f"the head's activations are {activations}")
    return tuple(read_dense(layer) for layer in dense)


def read_dense(layer: Any) -> Dense:  # noqa: ANN401
    """Return a dense layer's kernel and its bias, zeros where it has none."""
    kernel, *bias = layer.get_weights()
    bias_or_zeros = bias[0] if bias else np.zeros(kernel.shape[1], np.float32)
    return Dense(kernel, bias_or_zeros, relu=layer.activation.__name__ == "relu")


def write_head(folder: Path, head: tuple[Dense, ...]) -> Path:
    """Write head.npz: kernel_0, bias_0, kernel_1 and so on, float32."""
    arrays = {
        f"{name}_{place}": np.asarray(getattr(layer, name), np.float32)
        for place, layer in enumerate(head)
        for name in ("kernel", "bias")
    }
    path = folder / HEAD_FILE
    np.savez(path, allow_pickle=False, **arrays)
    return path


def keras_explainer(model: Any) -> Callable[[Pictures], list[Floats]]:  # noqa: ANN401
    """Return what explains an exported Keras model's answers to uint8[N, size, size, 3] by Grad-CAM.

    It says where the class that was answered was seen: float32[h, w] in 0..1, of the size of the
    model's last feature map, 5 x 5 for 160 px. Raises TypeError for a model of another layout.
    """
    parts = anatomy(model)
    run = forward_all(keras.Model(model.input, [parts.feature_map, parts.pooled]))

    def explain(pictures: Pictures) -> list[Floats]:
        maps, pooled = run(pictures)
        return [
            heat_map(features, read_head(values, parts.head).weights)
            for features, values in zip(maps, pooled, strict=True)
        ]

    return explain
