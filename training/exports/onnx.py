"""Write a model for ONNX Runtime and whatever else reads ONNX."""

from pathlib import Path
from typing import Any

from training.backend import load_backend
from training.exports.kinds import FILES
from training.exports.native import native_work

OPSET = 18


def write_onnx(folder: Path, model: Any) -> Path:  # noqa: ANN401  Keras has no types
    """Write model.onnx, float32: `image` float32[N, size, size, 3] 0..255 -> probabilities.

    Raises ModuleNotFoundError without the extra `onnx`.
    """
    tf = load_backend().tf
    path = folder / FILES["onnx"]
    image = tf.TensorSpec((None, *model.input.shape[1:]), tf.float32, name="image")
    with native_work():
        model.export(
            str(path), format="onnx", input_signature=[image], opset_version=OPSET, verbose=False
        )
    return path
