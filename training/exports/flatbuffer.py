"""Change LiteRT models after their conversion: outputs, names, signature, metadata, labels."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
LABELS_FILE = "labels.txt"
METADATA_NAME = "TFLITE_METADATA"


def read_model(data: bytes) -> Any:  # noqa: ANN401  the generated classes have no types
    """Read a model into objects that can be changed."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


def write_model(model: Any) -> bytes:  # noqa: ANN401
    """Write a model's objects as a flatbuffer."""
    size = sum(len(b.data) for b in model.buffers if b.data is not None)
    builder = flatbuffers.Builder(size + 2**20)
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
    model.buffers.append(_buffer(metadata))
    entry = schema.MetadataT()
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
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [_entry(graph, int(graph.inputs[0]), "image")]
    signature.outputs = [
        _entry(graph, int(tensor), name) for tensor, name in zip(graph.outputs, names, strict=True)
    ]
    model.signatureDefs = [signature]


def _entry(graph: Any, tensor: int, name: str) -> Any:  # noqa: ANN401
    graph.tensors[tensor].name = name
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def _buffer(data: bytes) -> Any:  # noqa: ANN401
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _code(model: Any, operator: Any) -> int:  # noqa: ANN401
    code = model.operatorCodes[operator.opcodeIndex]
    # Files that old readers open hold the number in the first field alone.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))
