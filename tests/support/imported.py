"""Make models as others save them, and weights of VGG-16 in the published layout."""

from pathlib import Path
from typing import Any

import numpy as np

from support.weights import Arrays, write_h5
from training.models.backend import load_backend

SIZE = 16
_BLOCKS = (2, 2, 3, 3, 3)


def small_network(*, scaled: bool = True, end: str | None = "softmax", pooled: bool = True) -> Any:  # noqa: ANN401  Keras has no types
    """Return a Sequential with random weights: three classes of pictures of 16 px."""
    keras = load_backend().keras
    keras.utils.set_random_seed(3)
    layers = keras.layers
    stack = [keras.Input((SIZE, SIZE, 3))]
    stack += [layers.Rescaling(1 / 255)] if scaled else []
    stack.append(layers.Conv2D(4, 3, activation="relu"))
    stack.append(layers.GlobalAveragePooling2D() if pooled else layers.Flatten())
    stack += [layers.Dropout(0.2), layers.Dense(3, activation=end)]
    return keras.Sequential(stack)


def vgg16_layers(classes: int, size: int = 32, *, caffe: bool = False) -> list[tuple[str, Arrays]]:
    """Return the layers of a VGG-16 of few channels, with random weights, by their names."""
    rng = np.random.default_rng(0)
    names = [f"{b}_{c}" for b, n in enumerate(_BLOCKS, 1) for c in range(1, n + 1)]
    names = [f"conv{n}" if caffe else f"block{n.replace('_', '_conv')}" for n in names]
    layers: list[tuple[str, Arrays]] = []
    width = 3
    for name, out in zip(names, [4] * 4 + [6] * 9, strict=True):
        kernel = rng.normal(0, np.sqrt(2 / 9 / width), (3, 3, width, out)).astype(np.float32)
        layers.append((name, [kernel, rng.normal(0, 0.1, out).astype(np.float32)]))
        width = out
    width *= (size // 32) ** 2
    tops = ("fc6", "fc7", "fc8a") if caffe else ("fc1", "fc2", "predictions")
    for name, out in zip(tops, (8, 8, classes), strict=True):
        kernel = rng.normal(0, 0.1 * np.sqrt(2 / width), (width, out)).astype(np.float32)
        layers.append((name, [kernel, rng.normal(0, 0.1, out).astype(np.float32)]))
        width = out
    return layers


def write_vgg16(path: Path, classes: int, size: int = 32) -> Path:
    """Write these layers as a file of weights."""
    return write_h5(path, vgg16_layers(classes, size))
