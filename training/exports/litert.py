"""Convert a Keras model for LiteRT: float32, float16 weights, 8-bit integers."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.exports.saved_model import native_work
from training.exports.tflite_metadata import order_outputs
from training.models.backend import load_backend

Calibration = Callable[[], Iterator[list[NDArray[np.float32]]]]


def trace(model: Any, outputs: list[Any]) -> Any:  # noqa: ANN401  Keras has no types
    """Return one graph, pictures float32[N, size, size, 3] -> the given tensors of the model."""
    backend = load_backend()
    tf = backend.tf
    part = backend.keras.Model(model.input, outputs)
    spec = tf.TensorSpec((None, *model.input.shape[1:]), tf.float32, name="image")

    def run(image: Any) -> Any:  # noqa: ANN401
        return part(image, training=False)

    return tf.function(run, input_signature=[spec], autograph=False).get_concrete_function()


def convert_float(graph: Any) -> bytes:  # noqa: ANN401
    """Convert a graph as it is, in float32."""
    return _convert(_converter(graph))


def convert_large(graph: Any, variables: Sequence[Any], scratch: Path) -> bytes:  # noqa: ANN401
    """Convert a graph as it is by way of a SavedModel, which is written below `scratch`.

    Slower than `convert_float`, and in much less memory: a frozen graph holds the weights many
    times over while it is converted.
    """
    tf = load_backend().tf
    holder = tf.Module()
    holder.held = [variable.value for variable in variables]
    with TemporaryDirectory(dir=scratch) as folder, native_work():
        tf.saved_model.save(holder, folder, signatures=graph)
        converted = bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    return order_outputs(converted)  # which are named output_0 and on


def convert_half(graph: Any) -> bytes:  # noqa: ANN401
    """Convert a graph with its weights as float16: half the size, computed in float32."""
    tf = load_backend().tf
    converter = _converter(graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _convert(converter)


def convert_int8(graph: Any, calibration: Calibration) -> bytes:  # noqa: ANN401
    """Convert a graph to 8-bit integers throughout, float32 going in and out.

    `calibration` yields [float32[1, size, size, 3]] of training pictures: the ranges they span
    become the scales. Never with dynamic ranges, which are slower than float.
    """
    tf = load_backend().tf
    converter = _converter(graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return _convert(converter)


def _converter(graph: Any) -> Any:  # noqa: ANN401
    """Return a converter of a frozen graph.

    By way of a SavedModel in the temporary folder the conversion takes several times as long, and
    a kill leaves that folder behind.
    """
    tf = load_backend().tf
    # The object is read only by the conversion by way of a SavedModel.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module())
    converter.experimental_lower_to_saved_model = False
    return converter


def _convert(converter: Any) -> bytes:  # noqa: ANN401
    with native_work():
        return bytes(converter.convert())
