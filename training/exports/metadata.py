"""Write the TFLite metadata of an image classifier: what goes in, what comes out, its labels.

The tables and the order of their fields are those of metadata_schema.fbs 1.1 of TensorFlow Lite
Support; its own Python package has no release since 2023 and none for Python 3.12.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers

from training.exports.flatbuffer import LABELS_FILE

IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
_AXIS_LABELS = 2
_IMAGE, _FEATURE = 2, 1
_NORMALIZATION = 1
_RGB = 1
_OFFSET = 4


class Byte(NamedTuple):
    """A field of one byte: an enumeration or the type of a union."""

    value: int


class Side(NamedTuple):
    """A field of an unsigned number of four bytes."""

    value: int


Field = int | Byte | Side | None


def classifier_metadata(name: str, description: str, size: int) -> bytes:
    """Return the metadata flatbuffer of a model from size x size RGB, 0 to 255, to probabilities."""
    build = flatbuffers.Builder(1024)
    text = build.CreateString
    image = _image(build, size)
    labels = _table(build, text(LABELS_FILE), text("class names by label"), Byte(_AXIS_LABELS))
    feature = _table(build, Byte(_FEATURE), _table(build))
    answer = _table(
        build,
        text("probabilities"),
        text("one probability per class"),
        None,
        feature,
        None,
        _table(build, _floats(build, 1.0), _floats(build, 0.0)),
        _vector(build, [labels]),
    )
    graph = _table(build, None, None, _vector(build, [image]), _vector(build, [answer]))
    fields: list[Field] = [text(name), text(description), None, _vector(build, [graph])]
    model = _table(build, *fields, None, None, None, text(PARSER_VERSION))
    build.Finish(model, IDENTIFIER)
    return bytes(build.Output())


def _image(build: flatbuffers.Builder, size: int) -> int:
    """Describe the input; its scaling stands inside the model, so mean 0 and deviation 1."""
    sides = _table(build, Side(size), Side(size))
    content = _table(build, Byte(_IMAGE), _table(build, Byte(_RGB), sides))
    scaling = _table(build, _floats(build, 0.0), _floats(build, 1.0))
    unit = _table(build, Byte(_NORMALIZATION), scaling)
    return _table(
        build,
        build.CreateString("image"),
        build.CreateString("RGB picture, values 0 to 255"),
        None,
        content,
        _vector(build, [unit]),
        _table(build, _floats(build, 255.0), _floats(build, 0.0)),
    )


def _table(build: flatbuffers.Builder, *fields: Field) -> int:
    """Write a table; a field is the place of what was written before, a number, or absent."""
    build.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if isinstance(field, Byte):
            build.PrependUint8Slot(slot, field.value, 0)
        elif isinstance(field, Side):
            build.PrependUint32Slot(slot, field.value, 0)
        elif field is not None:
            build.PrependUOffsetTRelativeSlot(slot, field, 0)
    return int(build.EndObject())


def _vector(build: flatbuffers.Builder, places: Sequence[int]) -> int:
    build.StartVector(_OFFSET, len(places), _OFFSET)
    for place in reversed(places):
        build.PrependUOffsetTRelative(place)
    return int(build.EndVector())


def _floats(build: flatbuffers.Builder, *values: float) -> int:
    build.StartVector(_OFFSET, len(values), _OFFSET)
    for value in reversed(values):
        build.PrependFloat32(value)
    return int(build.EndVector())
