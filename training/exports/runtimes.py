"""Run exported files on the runtimes they were made for."""

import base64
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.native_output import STDERR, without_native_chatter
from training.backend import load_backend
from training.exports.saved_model import BASE64, BYTES, INPUTS, PIXELS

Pictures = NDArray[np.uint8]
Rows = NDArray[np.float32]
Runner = Callable[[Pictures], Rows]
FilesRunner = Callable[[Sequence[bytes]], Rows]


def litert_outputs(data: bytes) -> Callable[[Pictures], tuple[Rows, ...]]:
    """Return uint8[N, size, size, 3] -> each output of a LiteRT model, float32[N, ...]."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  an extra

    with without_native_chatter(STDERR):
        interpreter = Interpreter(model_content=data, num_threads=os.cpu_count() or 1)
        interpreter.allocate_tensors()
    takes = interpreter.get_input_details()[0]["index"]
    gives = [one["index"] for one in interpreter.get_output_details()]

    def run(pictures: Pictures) -> tuple[Rows, ...]:
        found: list[list[Any]] = [[] for _ in gives]
        for picture in pictures:
            interpreter.set_tensor(takes, picture[np.newaxis].astype(np.float32))
            interpreter.invoke()
            for rows, place in zip(found, gives, strict=True):
                rows.append(interpreter.get_tensor(place)[0])
        return tuple(np.stack(rows) for rows in found)

    return run


def litert_runner(data: bytes) -> Runner:
    """Return uint8[N, size, size, 3] -> the first output of a LiteRT model, float32[N, classes]."""
    outputs = litert_outputs(data)
    return lambda pictures: outputs(pictures)[0]


def explained_runner(data: bytes, head: Sequence[tuple[Rows, Rows]]) -> Runner:
    """Return uint8[N, size, size, 3] -> probabilities from explain.tflite and the head's layers."""
    outputs = litert_outputs(data)

    def run(pictures: Pictures) -> Rows:
        values = outputs(pictures)[1]
        for kernel, bias in head[:-1]:
            values = np.maximum(values @ kernel + bias, 0)
        kernel, bias = head[-1]
        logits = values @ kernel + bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Rows = shares / shares.sum(axis=1, keepdims=True)
        return probabilities

    return run


def onnx_runner(path: Path) -> Runner:
    """Return uint8[N, size, size, 3] -> float32[N, classes] by ONNX Runtime."""
    import onnxruntime  # noqa: PLC0415  an extra

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(pictures: Pictures) -> Rows:
        return np.asarray(session.run(None, {name: pictures.astype(np.float32)})[0])

    return run


class SavedModel:
    """A loaded SavedModel; its signatures live as long as this object does."""

    def __init__(self, path: Path) -> None:
        """Load it. The object must be kept: without it the signatures lose their variables."""
        self._loaded = load_backend().tf.saved_model.load(str(path))

    def pixels(self, pictures: Pictures) -> Rows:
        """Answer uint8[N, size, size, 3] by the signature for pixels."""
        return self._ask(PIXELS, load_backend().tf.constant(pictures.astype(np.float32)))

    def files(self, files: Sequence[bytes], *, as_text: bool) -> Rows:
        """Answer encoded pictures by the signature for bytes, or for standard base64."""
        texts = [base64.b64encode(data) if as_text else data for data in files]
        return self._ask(BASE64 if as_text else BYTES, load_backend().tf.constant(texts))

    def _ask(self, signature: str, value: Any) -> Rows:  # noqa: ANN401  TensorFlow has no types
        answer = self._loaded.signatures[signature](**{INPUTS[signature]: value})
        return np.asarray(answer["probabilities"], np.float32)
