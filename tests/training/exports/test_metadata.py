"""The metadata of a LiteRT file, read back by the layout of its schema."""

from typing import Any

import flatbuffers
from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table

from training.exports.litert import classifier_metadata


def at(table: Table, slot: int) -> int:
    """Return the place of a table's field; the schema counts fields from 0."""
    offset = table.Offset(4 + 2 * slot)
    assert offset, f"field {slot} is absent"
    return int(offset + table.Pos)


def text(table: Table, slot: int) -> str:
    return bytes(table.String(at(table, slot))).decode()


def inner(table: Table, slot: int) -> Table:
    return Table(table.Bytes, table.Indirect(at(table, slot)))


def first(table: Table, slot: int) -> Table:
    start = table.Vector(at(table, slot) - table.Pos)
    assert table.VectorLen(at(table, slot) - table.Pos) == 1
    return Table(table.Bytes, table.Indirect(start))


def number(table: Table, slot: int, flags: Any = Uint8Flags) -> int:  # noqa: ANN401  a class without types
    return int(table.Get(flags, at(table, slot)))


def floats(table: Table, slot: int) -> float:
    return float(table.Get(Float32Flags, table.Vector(at(table, slot) - table.Pos)))


def test_a_reader_of_the_schema_finds_input_output_and_labels() -> None:
    data = classifier_metadata("drawn 1", "3 classes", 32)
    assert flatbuffers.util.BufferHasIdentifier(data, 0, b"M001")
    root = Table(data, flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))
    assert (text(root, 0), text(root, 1), text(root, 7)) == ("drawn 1", "3 classes", "1.0.0")
    graph = first(root, 3)
    image, answer = first(graph, 2), first(graph, 3)
    assert (text(image, 0), text(answer, 0)) == ("image", "probabilities")
    content = inner(image, 3)
    assert number(content, 0) == 2  # ImageProperties
    properties = inner(content, 1)
    assert number(properties, 0) == 1  # RGB
    side = inner(properties, 1)
    assert [number(side, slot, Uint32Flags) for slot in (0, 1)] == [32, 32]
    unit = first(image, 4)
    assert number(unit, 0) == 1  # NormalizationOptions
    assert [floats(inner(unit, 1), slot) for slot in (0, 1)] == [0.0, 1.0]
    assert [floats(inner(answer, 5), slot) for slot in (0, 1)] == [1.0, 0.0]
    labels = first(answer, 6)
    assert text(labels, 0) == "labels.txt"
    assert number(labels, 2) == 2  # TENSOR_AXIS_LABELS
