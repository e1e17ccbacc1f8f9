"""Hold the networks below the head: the table of them, their scaling and their weights."""

from training.models.backbones.networks import Backbone, Scaling, scale
from training.models.backbones.table import (
    BACKBONES,
    build_base,
    check_name,
    find_weights,
    imagenet_available,
)

__all__ = [
    "BACKBONES",
    "Backbone",
    "Scaling",
    "build_base",
    "check_name",
    "find_weights",
    "imagenet_available",
    "scale",
]
