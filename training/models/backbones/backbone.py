"""State what one backbone is: how it is built, fed, scaled, tapped, cut, and who made its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training.models.backbones.weight_files import load_weights
from training.models.backend import load_backend

Scaling = Literal["minus_one_to_one", "caffe", "torch", "none"]

# Means of ImageNet's training pictures, in the order the networks read the channels
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_TORCH_MEAN_RGB = (0.485, 0.456, 0.406)
_TORCH_DEVIATION_RGB = (0.229, 0.224, 0.225)


def scale(image: Any, scaling: Scaling) -> Any:  # noqa: ANN401  Keras has no types
    """Scale RGB pictures float32[N, size, size, 3] of 0..255 for a network, by plain Keras layers.

    `minus_one_to_one`: x / 127.5 - 1. `caffe`: blue, green, red minus ImageNet's means. `torch`:
    x / 255 minus means, over deviations. `none`: as they are; the network scales by itself.
    Each is `preprocess_input` of the network's module in Keras Applications, but as layers, which
    every export format takes.
    """
    layers = load_backend().keras.layers
    if scaling == "minus_one_to_one":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
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
    layer = load_backend().keras.layers.Conv2D(3, 1, trainable=False, name="scale")
    scaled = layer(image)
    swap = np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3)
    layer.set_weights([swap, -np.array(_CAFFE_MEAN_BGR, np.float32)])
    return scaled


@dataclass(frozen=True)
class Pretrained:
    """Weights that can be downloaded."""

    kind: str
    """What `--weights` calls them: imagenet or places."""
    address: str
    """Where the file lies; `{size}` stands for the picture size it was trained at."""
    licence: str
    source: str
    """The page that says so."""
    digest: str | None = None
    """MD5 or SHA-256 of the file, where it is published."""
    sizes: tuple[int, ...] = (224,)
    """Picture sizes it was trained at, the one for all other sizes last."""

    def file_address(self, size: int) -> str:
        """Return the address of the file for a picture size."""
        trained_at = size if size in self.sizes else self.sizes[-1]
        return self.address.format(size=trained_at)


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
    cut: str | None = None
    """Layer whose output fine-tuning keeps: everything before it stays as it is."""
    pretrained: Pretrained | None = None
    load: Callable[[Any, Path], None] = load_weights
    """Load a file of weights into what `build` made; raises ValueError or OSError saying why not."""

    @property
    def licence(self) -> str | None:
        """Return the licence of its pretrained weights."""
        return self.pretrained.licence if self.pretrained else None

    @property
    def source(self) -> str | None:
        """Return the page that tells where its pretrained weights come from."""
        return self.pretrained.source if self.pretrained else None
