"""State what one backbone is: how it is built, fed, tapped, cut, and who made its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.backbones.loading import load_weights
from training.backbones.scaling import Scaling


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
