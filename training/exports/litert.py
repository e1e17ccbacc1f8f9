"""Make LiteRT files: convert a network, keep and name its outputs, add metadata and labels."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.exports.saved_model import native_work, save_graphs
from training.models.backend import keras, tf

Calibration = Callable[[], Iterator[list[NDArray[np.float32]]]]
# The outputs of the graph that is converted, in its order.
FEATURE_MAP, POOLED, PROBABILITIES = "feature_map", "pooled", "probabilities"
IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
LABELS_FILE = "labels.txt"
METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
# Values of the enumerations and unions in TensorFlow Lite's metadata _schema().
_AXIS_LABELS = ("Uint8", 2)
_IMAGE, _FEATURE = ("Uint8", 2), ("Uint8", 1)
_NORMALIZATION = ("Uint8", 1)
_RGB = ("Uint8", 1)
_PLACE = "UOffsetTRelative"
_OFFSET = 4


def trace(model: Any, outputs: list[Any] | None = None) -> Any:  # noqa: ANN401  Keras has no types
    """Return one graph: pictures float32[N, size, size, 3] -> these tensors of a Keras model.

    Without `outputs` the answer of the whole model, which need not be Keras'.
    """
    part = model if outputs is None else keras.Model(model.input, outputs)
    spec = tf.TensorSpec((None, *model.input.shape[1:]), tf.float32, name="image")

    def run(image: Any) -> Any:  # noqa: ANN401
        return part(image, training=False)

    return tf.function(run, input_signature=[spec], autograph=False).get_concrete_function()


def convert(
    graph: Any,  # noqa: ANN401
    kind: str = "litert",
    calibration: Calibration | None = None,
) -> bytes:
    """Convert a frozen graph: `litert` as it is, in float32; `fp16` with its weights as float16.

    `fp16` is half the size, and computes in float32. `int8` is 8-bit integers throughout, float32
    going in and out: `calibration` yields [float32[1, size, size, 3]] of training pictures, and the
    ranges they span become the scales. Never with dynamic ranges, which are slower than float.

    By way of a SavedModel in the temporary folder the conversion takes several times as long, and
    a kill leaves that folder behind.
    """
    # The object is read only by the conversion by way of a SavedModel.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module())
    converter.experimental_lower_to_saved_model = False
    if kind != "litert":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with native_work():
        return bytes(converter.convert())


def convert_large(graph: Any, variables: Sequence[Any], scratch: Path) -> bytes:  # noqa: ANN401
    """Convert a graph as it is by way of a SavedModel, which is written below `scratch`.

    Slower than `convert`, and in much less memory: a frozen graph holds the weights many
    times over while it is converted.
    """
    lite = tf.lite
    with TemporaryDirectory(dir=scratch) as folder, native_work():
        save_graphs(Path(folder), graph, variables)
        converted = bytes(lite.TFLiteConverter.from_saved_model(folder).convert())
    return order_outputs(converted)  # which are named output_0 and on


def classifier_file(
    converted: bytes, position: int, name: str, size: int, class_names: tuple[str, ...]
) -> bytes:
    """Return a classifier's file of a converted graph and its probabilities' position."""
    model = read_model(converted)
    soften_in_float(model)
    keep_outputs(model, {position: PROBABILITIES})
    description = f"{len(class_names)} classes, {size} px, RGB"
    add_metadata(model, classifier_metadata(name, description, size))
    return append_labels(write_model(model), class_names)


def explain_file(converted: bytes) -> bytes:
    """Return explain.tflite: pictures -> feature map of the last tap, pooled values."""
    model: Any = read_model(converted)
    keep_outputs(model, {0: FEATURE_MAP, 1: POOLED})
    return write_model(model)


def _schema() -> Any:  # noqa: ANN401  the generated classes have no types
    from ai_edge_litert import schema_py_generated  # noqa: PLC0415  an extra

    return schema_py_generated


def _builder(size: int) -> Any:  # noqa: ANN401
    import flatbuffers  # noqa: PLC0415  comes with TensorFlow and LiteRT

    return flatbuffers.Builder(size)


def read_model(data: bytes) -> Any:  # noqa: ANN401  the generated classes have no types
    """Read a model into objects that can be changed."""
    schema = _schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


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
    schema = _schema()
    codes = [schema.BuiltinOperator.SOFTMAX, schema.BuiltinOperator.DEQUANTIZE]
    softmax, dequantize = graph.operators[-2:]
    if [_code(model, one) for one in (softmax, dequantize)] != codes:
        return
    middle = graph.tensors[softmax.outputs[0]]
    middle.type, middle.quantization = schema.TensorType.FLOAT32, None
    dequantize.inputs, dequantize.outputs = softmax.inputs, softmax.outputs
    softmax.inputs, softmax.outputs = dequantize.outputs, graph.outputs
    graph.operators[-2:] = [dequantize, softmax]


def add_metadata(model: Any, metadata: bytes) -> None:  # noqa: ANN401
    """Put a metadata flatbuffer into the model, where readers of TFLite metadata look for it."""
    buffer, entry = _schema().BufferT(), _schema().MetadataT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    model.buffers.append(buffer)
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


def _code(model: Any, operator: Any) -> int:  # noqa: ANN401
    code = model.operatorCodes[operator.opcodeIndex]
    # Files that old readers open hold the number in the first field alone.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def classifier_metadata(name: str, description: str, size: int) -> bytes:
    """Return the metadata flatbuffer of a model from size x size RGB, 0 to 255, to probabilities."""
    image = {
        0: "image",
        1: "RGB picture, values 0 to 255",
        3: {0: _IMAGE, 1: {0: _RGB, 1: {0: ("Uint32", size), 1: ("Uint32", size)}}},
        # Its scaling stands inside the model, so mean 0 and deviation 1.
        4: [{0: _NORMALIZATION, 1: {0: [0.0], 1: [1.0]}}],
        5: {0: [255.0], 1: [0.0]},
    }
    answer = {
        0: "probabilities",
        1: "one probability per class",
        3: {0: _FEATURE, 1: {}},
        5: {0: [1.0], 1: [0.0]},
        6: [{0: LABELS_FILE, 1: "class names by label", 2: _AXIS_LABELS}],
    }
    model = {0: name, 1: description, 3: [{2: [image], 3: [answer]}], 7: PARSER_VERSION}
    build = _builder(1024)
    build.Finish(_write(build, model), METADATA_IDENTIFIER)
    return bytes(build.Output())


def _write(build: Any, value: Any) -> int:  # noqa: ANN401
    """Write a text, a vector of float32 or of tables, or a table; return its place.

    A table is slot -> value, as the schema counts its fields; numbers stand in it with their type.
    """
    if isinstance(value, str):
        return int(build.CreateString(value))
    if isinstance(value, list):
        kind = "Float32" if isinstance(value[0], float) else _PLACE
        items = value if kind == "Float32" else [_write(build, one) for one in value]
        build.StartVector(_OFFSET, len(items), _OFFSET)
        for item in reversed(items):
            getattr(build, f"Prepend{kind}")(item)
        return int(build.EndVector())
    fields = {
        slot: one if isinstance(one, tuple) else (_PLACE, _write(build, one))
        for slot, one in value.items()
    }
    build.StartObject(max(fields, default=-1) + 1)
    for slot, (kind, number) in fields.items():
        getattr(build, f"Prepend{kind}Slot")(slot, number, 0)
    return int(build.EndObject())
