"""Change LiteRT models after their conversion: outputs, names, signature, metadata, labels."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from flatbuffers import Builder

IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
LABELS_FILE = "labels.txt"
METADATA_NAME = "TFLITE_METADATA"


def _schema() -> Any:  # noqa: ANN401  the generated classes have no types
    from ai_edge_litert import schema_py_generated  # noqa: PLC0415  `train --help` needs no extra

    return schema_py_generated


def _builder(size: int) -> "Builder":
    from flatbuffers import Builder  # noqa: PLC0415

    return Builder(size)


def read_model(data: bytes) -> Any:  # noqa: ANN401  the generated classes have no types
    """Read a model into objects that can be changed."""
    return _schema().ModelT.InitFromObj(_schema().Model.GetRootAsModel(data, 0))


def write_model(model: Any) -> bytes:  # noqa: ANN401
    """Write a model's objects as a flatbuffer."""
    size = sum(len(b.data) for b in model.buffers if b.data is not None)
    builder = _builder(size + 2**20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    # Output() would be one more copy of all weights.
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def order_outputs(data: bytes) -> bytes:
    """Return a model with its outputs in the order of the names that its signature gives them."""
    model = read_model(data)
    signed = model.signatureDefs[0].outputs
    wanted = [one.tensorIndex for one in sorted(signed, key=lambda one: one.name)]
    graph = model.subgraphs[0]
    if wanted == [int(tensor) for tensor in graph.outputs]:
        return data
    graph.outputs = np.array(wanted, np.int32)
    return write_model(model)


def keep_outputs(model: Any, outputs: Mapping[int, str]) -> None:  # noqa: ANN401
    """Keep some outputs, position -> name; drop every operator and weight that only others need.

    The signature `serving_default` then maps `image` to these names.
    """
    graph = model.subgraphs[0]
    graph.outputs = np.array([graph.outputs[place] for place in outputs], np.int32)
    needed, operators = {int(t) for t in graph.outputs}, []
    for operator in reversed(graph.operators):
        if needed & {int(t) for t in operator.outputs}:
            operators.append(operator)
            needed |= {int(t) for t in operator.inputs if t >= 0}
    graph.operators = operators[::-1]
    made = {int(t) for operator in graph.operators for t in operator.outputs}
    _renumber(model, sorted(needed | made | {int(t) for t in graph.inputs}))
    _sign(model, list(outputs.values()))


def soften_in_float(model: Any) -> None:  # noqa: ANN401
    """Let an 8-bit model compute its closing softmax in float32.

    In 8 bits a probability is a multiple of 1/256. The softmax and the conversion to float after
    it change places; a model that ends otherwise stays as it is.
    """
    graph = model.subgraphs[0]
    kinds = _schema().BuiltinOperator
    codes = [kinds.SOFTMAX, kinds.DEQUANTIZE]
    softmax, dequantize = graph.operators[-2:]
    if [_code(model, one) for one in (softmax, dequantize)] != codes:
        return
    middle = graph.tensors[softmax.outputs[0]]
    middle.type, middle.quantization = _schema().TensorType.FLOAT32, None
    dequantize.inputs, dequantize.outputs = softmax.inputs, softmax.outputs
    softmax.inputs, softmax.outputs = dequantize.outputs, graph.outputs
    graph.operators[-2:] = [dequantize, softmax]


def add_metadata(model: Any, metadata: bytes) -> None:  # noqa: ANN401
    """Put a metadata flatbuffer into the model, where readers of TFLite metadata look for it."""
    model.buffers.append(_buffer(metadata))
    entry = _schema().MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def append_labels(data: bytes, names: tuple[str, ...]) -> bytes:
    """Append labels.txt as a zip archive: interpreters ignore it, zip readers find it."""
    file = io.BytesIO(data)
    entry = zipfile.ZipInfo(LABELS_FILE)  # its date is fixed: equal models stay equal
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "".join(f"{name}\n" for name in names))
    return file.getvalue()


def _renumber(model: Any, kept: list[int]) -> None:  # noqa: ANN401
    """Drop every tensor but these, and the buffers that only the others held."""
    graph = model.subgraphs[0]
    place = {-1: -1} | {old: new for new, old in enumerate(kept)}
    for holder in (graph, *graph.operators):
        holder.inputs = np.array([place[int(t)] for t in holder.inputs], np.int32)
        holder.outputs = np.array([place[int(t)] for t in holder.outputs], np.int32)
    graph.tensors = [graph.tensors[old] for old in kept]
    used = {tensor.buffer for tensor in graph.tensors} | {0}
    used |= {entry.buffer for entry in model.metadata or []}
    for number, buffer in enumerate(model.buffers):
        if number not in used:
            buffer.data = None


def _sign(model: Any, names: list[str]) -> None:  # noqa: ANN401
    graph = model.subgraphs[0]
    signature = _schema().SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [_entry(graph, int(graph.inputs[0]), "image")]
    signature.outputs = [
        _entry(graph, int(tensor), name) for tensor, name in zip(graph.outputs, names, strict=True)
    ]
    model.signatureDefs = [signature]


def _entry(graph: Any, tensor: int, name: str) -> Any:  # noqa: ANN401
    graph.tensors[tensor].name = name
    entry = _schema().TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def _buffer(data: bytes) -> Any:  # noqa: ANN401
    buffer = _schema().BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _code(model: Any, operator: Any) -> int:  # noqa: ANN401
    code = model.operatorCodes[operator.opcodeIndex]
    # Files that old readers open hold the number in the first field alone.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


METADATA_IDENTIFIER = b"M001"
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
    build = _builder(1024)
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
    build.Finish(model, METADATA_IDENTIFIER)
    return bytes(build.Output())


def _image(build: "Builder", size: int) -> int:
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


def _table(build: "Builder", *fields: Field) -> int:
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


def _vector(build: "Builder", places: Sequence[int]) -> int:
    build.StartVector(_OFFSET, len(places), _OFFSET)
    for place in reversed(places):
        build.PrependUOffsetTRelative(place)
    return int(build.EndVector())


def _floats(build: "Builder", *values: float) -> int:
    build.StartVector(_OFFSET, len(values), _OFFSET)
    for value in reversed(values):
        build.PrependFloat32(value)
    return int(build.EndVector())


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
