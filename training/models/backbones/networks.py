"""Describe backbones, networks below the head: how each is built, fed, tapped, cut, and by whom."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training.models.backbones.weight_files import load_weights
from training.models.backend import keras

Scaling = Literal["minus_one_to_one", "zero_to_one", "caffe", "torch", "none"]

# Means of ImageNet's training pictures, in the order the networks read the channels
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_TORCH_MEAN_RGB = (0.485, 0.456, 0.406)
_TORCH_DEVIATION_RGB = (0.229, 0.224, 0.225)


def scale(image: Any, scaling: Scaling) -> Any:  # noqa: ANN401  Keras has no types
    """Scale RGB pictures float32[N, size, size, 3] of 0..255 for a network, by plain Keras layers.

    `minus_one_to_one`: x / 127.5 - 1. `zero_to_one`: x / 255. `caffe`: blue, green, red minus ImageNet's means. `torch`:
    x / 255 minus means, over deviations. `none`: as they are; the network scales by itself.
    Each is `preprocess_input` of the network's module in Keras Applications, but as layers, which
    every export format takes.
    """
    layers = keras.layers
    if scaling == "minus_one_to_one":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    if scaling == "zero_to_one":
        return layers.Rescaling(1 / 255, name="scale")(image)
    if scaling == "torch":
        factors = [1 / (255 * deviation) for deviation in _TORCH_DEVIATION_RGB]
        offsets = [
            -mean / deviation
            for mean, deviation in zip(_TORCH_MEAN_RGB, _TORCH_DEVIATION_RGB, strict=True)
        ]
        return layers.Rescaling(factors, offset=offsets, name="scale")(image)
    return _to_caffe(image) if scaling == "caffe" else image


def _to_caffe(image: Any) -> Any:  # noqa: ANN401
    """Swap red and blue and subtract the means by one 1x1 convolution of fixed weights.

    Exact: each output is one input times 1, plus a constant. Reversing the axis instead is an
    operation that some export formats lack.
    """
    layer = keras.layers.Conv2D(3, 1, trainable=False, name="scale")
    scaled = layer(image)
    swap = np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3)
    layer.set_weights([swap, -np.array(_CAFFE_MEAN_BGR, np.float32)])
    return scaled


@dataclass(frozen=True)
class Pretrained:
    """Weights that can be downloaded."""

    kind: str
    """What `--weights` calls them: imagenet or places."""
    url: str
    """Where the file lies; `{size}` stands for the picture size it was trained at."""
    licence: str
    source: str
    """The page that says so."""
    digest: str | None = None
    """MD5 or SHA-256 of the file, where it is published."""
    sizes: tuple[int, ...] = (224,)
    """Picture sizes it was trained at, the one for all other sizes last."""

    def file_url(self, size: int) -> str:
        """Return where the file for a picture size lies."""
        trained_at = size if size in self.sizes else self.sizes[-1]
        return self.url.format(size=trained_at)


@dataclass(frozen=True)
class Backbone:
    """One network without its top, and everything that differs from the others."""

    name: str
    build: Callable[[int], Any]
    """Picture size -> keras.Model with random weights, from scaled float32[N, size, size, 3] to
    the last feature map."""
    scaling: Scaling
    smallest: int
    """Smallest side of pictures, px."""
    parameters: int | None = None
    """How many it has without its top."""
    taps: tuple[str, ...] = ()
    """Layers whose global averages the multi-scale head reads, the final feature map last;
    none: the output only."""
    fine_tune_from: str | None = None
    """Layer whose output fine-tuning keeps: everything before it stays as it is. All taps follow from
    it through layers; None where they do not."""
    pretrained: Pretrained | None = None
    load: Callable[[Any, Path], None] = load_weights
    """Load a file of weights into what `build` made; raises ValueError or OSError saying why not."""


def build_application(name: str, size: int, *, named_output: bool = False) -> Any:  # noqa: ANN401
    """Build a network of Keras Applications with random weights, without its top.

    `named_output` names the last feature map `out`, where Keras numbers that layer by how many it
    has built.
    """
    network = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(size, size, 3)
    )
    if not named_output:
        return network
    out = keras.layers.Identity(name="out")(network.output)
    return keras.Model(network.input, out, name=network.name)


_WIDTHS = (64, 128, 256, 512)
# As in PyTorch, whose weights load: its momentum .1 is .9 in Keras
_EPSILON = 1e-5
_MOMENTUM = 0.9


def build_basic_resnet(name: str, blocks: tuple[int, ...], size: int) -> Any:  # noqa: ANN401
    """Stack so many blocks in each of four stages; layers are named as in ResNet-50.

    He et al., arXiv:1512.03385, table 1.
    """
    image = keras.Input((size, size, 3))
    x = _relu(_convolve(image, 64, "conv1", kernel=7, stride=2), "conv1_relu")
    # Zeros on the border are no maximum after a ReLU.
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, (count, width) in enumerate(zip(blocks, _WIDTHS, strict=True), start=2):
        for number in range(1, count + 1):
            stride = 2 if number == 1 and stage > 2 else 1  # noqa: PLR2004  the pool came before stage 2
            x = _block(x, width, f"conv{stage}_block{number}", stride)
    return keras.Model(image, x, name=name)


def _block(x: Any, width: int, name: str, stride: int) -> Any:  # noqa: ANN401
    """Add two convolutions to their input, which a 1x1 convolution fits to them when need be."""
    shortcut = x
    if stride > 1:
        shortcut = _convolve(x, width, f"{name}_0", kernel=1, stride=stride)
    x = _relu(_convolve(x, width, f"{name}_1", stride=stride), f"{name}_1_relu")
    x = _convolve(x, width, f"{name}_2")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return _relu(x, f"{name}_out")


def _convolve(x: Any, width: int, name: str, *, kernel: int = 3, stride: int = 1) -> Any:  # noqa: ANN401
    """Pad on all sides alike, as PyTorch does, convolve without bias, normalise."""
    layers = keras.layers
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(width, kernel, strides=stride, use_bias=False, name=f"{name}_conv")(x)
    normalise = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_bn")
    return normalise(x)


def _relu(x: Any, name: str) -> Any:  # noqa: ANN401
    return keras.layers.Activation("relu", name=name)(x)


_STEM = 32
_BLOCKS = ((64, 1), (96, 2), (128, 2))
_SIDE = 40


def build_small(size: int) -> Any:  # noqa: ANN401
    """Build a plain convolutional network that trains in seconds on a thousand pictures.

    It sees them at about 40 px. Full convolutions: depthwise ones take longer on a CPU.
    """
    layers = keras.layers
    image = keras.Input((size, size, 3))
    x = layers.AveragePooling2D(max(1, size // _SIDE))(image)
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", use_bias=False)(x)
    for width, stride in _BLOCKS:
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(image, x, name="small")
