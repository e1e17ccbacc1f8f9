"""Turn converted graphs into the LiteRT files of a bundle, with names, metadata and labels."""

from collections.abc import Callable
from typing import Any

from training.exports.flatbuffer import (
    add_metadata,
    append_labels,
    keep_outputs,
    read_model,
    soften_in_float,
    write_model,
)
from training.exports.metadata import classifier_metadata

# The outputs of the graph that is converted, in its order.
FEATURE_MAP, POOLED, PROBABILITIES = "feature_map", "pooled", "probabilities"
Packer = Callable[[bytes, int], bytes]


def classifier_packer(name: str, size: int, class_names: tuple[str, ...]) -> Packer:
    """Return what makes a classifier's file of a converted graph and its probabilities' position."""
    metadata = classifier_metadata(name, f"{len(class_names)} classes, {size} px, RGB", size)

    def pack(converted: bytes, position: int) -> bytes:
        model = read_model(converted)
        soften_in_float(model)
        keep_outputs(model, {position: PROBABILITIES})
        add_metadata(model, metadata)
        return append_labels(write_model(model), class_names)

    return pack


def explain_file(converted: bytes) -> bytes:
    """Return explain.tflite: pictures -> feature map of the last tap, pooled values."""
    model: Any = read_model(converted)
    keep_outputs(model, {0: FEATURE_MAP, 1: POOLED})
    return write_model(model)
