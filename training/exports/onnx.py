"""Write a model for ONNX Runtime and whatever else reads ONNX."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from training.exports.litert import trace
from training.exports.saved_model import native_work
from training.models.backend import tf
from training.settings import FILES

OPSET = 18
INPUT, OUTPUT = "image", "probabilities"


def write_onnx(folder: Path, model: Any) -> Path:  # noqa: ANN401  Keras has no types
    """Write model.onnx, float32: `image` float32[N, size, size, 3] 0..255 -> `probabilities`.

    From a frozen graph: Keras' own export takes the constants of a Normalization layer for inputs,
    and leaves grouped convolutions as calls of functions that ONNX does not know. Raises
    ModuleNotFoundError without the extra `onnx`.
    """
    import tf2onnx  # noqa: PLC0415  an extra

    path = folder / FILES["onnx"]
    with native_work():
        graph, answer = _frozen(model)
        names = {f"{INPUT}:0": INPUT, answer: OUTPUT}
        tf2onnx.convert.from_graph_def(
            graph,
            name=model.name,
            input_names=[f"{INPUT}:0"],
            output_names=[answer],
            opset=OPSET,
            tensors_to_rename=names,
            custom_op_handlers={"Erfc": (_write_erfc, [])},
            output_path=str(path),
        )
    return path


def _frozen(model: Any) -> tuple[Any, str]:  # noqa: ANN401
    """Return a GraphDef with constant weights and no functions in it, and its output's name."""
    from tensorflow.python.framework import (  # noqa: PLC0415  TensorFlow has no other name for it
        convert_to_constants,
    )

    with _inlined():
        graph = trace(model, [model.outputs[0]])
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        graph, lower_control_flow=False, aggressive_inlining=True
    )
    return frozen.graph.as_graph_def(add_shapes=True), str(frozen.outputs[0].name)


def _write_erfc(graph: Any, node: Any, name: str, _args: Any) -> None:  # noqa: ANN401
    """Write erfc(x), as gelu has it, by what ONNX has: 1 - erf(x)."""
    shapes, dtypes = [graph.get_shape(node.output[0])], [graph.get_dtype(node.output[0])]
    erf = graph.make_node("Erf", [node.input[0]], shapes=shapes, dtypes=dtypes)
    one = graph.make_const(f"{name}/one", np.array(1, np.float32))
    graph.remove_node(name)
    inputs = [one.output[0], erf.output[0]]
    graph.make_node("Sub", inputs, outputs=node.output, shapes=shapes, dtypes=dtypes)


@contextmanager
def _inlined() -> Iterator[None]:
    """Trace what layers compile by themselves, as Keras does for grouped convolutions, in place."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
