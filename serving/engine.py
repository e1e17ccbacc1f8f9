"""Run a model on LiteRT or ONNX Runtime: bytes in, probabilities out, no TensorFlow."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle import Bundle
from pipeline.native_output import STDERR, without_native_chatter
from pipeline.pictures import Fit, load_square
from serving.interpreters import load_interpreter, misfit, read_model
from serving.memory import mapped_copy
from serving.onnx_sessions import OnnxNetwork
from serving.runtimes import FILES, Runtime

_BYTE = 255.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """The values that a model takes for black and for white."""

    black: float = 0.0
    white: float = _BYTE


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model takes and gives: its square's side in px, and its number of outputs."""

    size: int
    outputs: int


class Network(Protocol):
    """A loaded model that one thread runs at a time."""

    def shapes(self) -> tuple[list[int], list[int]]:
        """Return the shapes of the first input and the first output."""

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[classes] for float32[size, size, 3] in the model's own range."""


class Engine:
    """A bundle's model, which several threads may ask at once."""

    def __init__(
        self,
        bundle: Bundle,
        workers: int = 2,
        *,
        file: str = "",
        scaling: Scaling = Scaling(),
        runtime: Runtime = "litert",
    ) -> None:
        """Load the model `workers` times and run each once; `file` is by default the runtime's own.

        Raises DamagedDataError when it is missing or does not fit.
        """
        self.class_names = bundle.class_names
        self.size = bundle.size
        self._fit = fit_of(bundle.fit)
        self._scaling = scaling
        self._idle: SimpleQueue[Network] = SimpleQueue()
        path = bundle.path(file or FILES[runtime])
        data = read_model(path)
        onnx = runtime == "onnx"  # which takes bytes alone
        copied = nullcontext() if onnx else mapped_copy(data)
        with without_native_chatter(STDERR), copied as copy:
            for _ in range(workers):
                network = OnnxNetwork(path, data) if onnx else _Network(path, copy or data)
                _check_shapes(path, network, Shape(bundle.size, len(bundle.class_names)))
                network.run(np.zeros((bundle.size, bundle.size, 3), np.float32))
                self._idle.put(network)

    def classify(self, data: bytes) -> NDArray[np.float32]:
        """Return the probability of each class, float32[classes], for a picture's bytes.

        Safe to call from several threads. Raises PictureError.
        """
        return self.infer(self.prepare(data))

    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """Decode and fit a picture: uint8[size, size, 3]. Raises PictureError."""
        return load_square(data, self.size, self._fit)

    def infer(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probabilities, float32[classes], for pixels in 0..255 [size, size, 3]."""
        values = pixels.astype(np.float32)
        low, high = self._scaling.black, self._scaling.white
        if (low, high) != (0.0, _BYTE):
            values = values * ((high - low) / _BYTE) + low
        network = self._idle.get()
        try:
            return network.run(values)
        finally:
            self._idle.put(network)


def read_shape(path: Path) -> Shape:
    """Return what a .tflite file takes and gives. Raises DamagedDataError when it cannot be run."""
    with without_native_chatter(STDERR):
        takes, gives = _Network(path, path.read_bytes()).shapes()
    square = len(takes) == 4 and takes[0] == 1 and takes[1] == takes[2] and takes[3] == 3  # noqa: PLR2004  one square picture
    if not square or len(gives) != 2 or gives[0] != 1:  # noqa: PLR2004  one row of classes
        raise misfit(path, f"it maps {takes} to {gives}, not one square picture to classes")
    return Shape(takes[1], gives[1])


def top_classes(
    probabilities: NDArray[np.float32], names: tuple[str, ...], top: int
) -> list[tuple[str, float]]:
    """Return the `top` most probable classes, the most probable first; equal ones by label."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(names[label], float(probabilities[label])) for label in order]


class _Network:
    """One interpreter; quantised inputs and outputs are converted as the file says."""

    def __init__(self, path: Path, model: bytes | str) -> None:
        self._interpreter = load_interpreter(path, model)
        self._takes = self._interpreter.get_input_details()[0]
        self._gives = self._interpreter.get_output_details()[0]

    def shapes(self) -> tuple[list[int], list[int]]:
        """Return the shapes of the first input and the first output."""
        return [int(n) for n in self._takes["shape"]], [int(n) for n in self._gives["shape"]]

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[classes] for float32[size, size, 3] in the model's own range."""
        self._interpreter.set_tensor(self._takes["index"], _quantised(values, self._takes)[None])
        self._interpreter.invoke()
        answer = self._interpreter.get_tensor(self._gives["index"])[0]
        return _real(answer, self._gives)


def _quantised(values: NDArray[np.float32], details: Any) -> NDArray[Any]:  # noqa: ANN401  LiteRT has no types
    kind = np.dtype(details["dtype"])
    if kind.kind == "f":
        return values.astype(kind)
    scale, zero = details["quantization"]
    limits = np.iinfo(kind)
    steps: NDArray[Any] = np.round(values / (scale or 1.0) + zero)
    return steps.clip(limits.min, limits.max).astype(kind)


def _real(answer: NDArray[Any], details: Any) -> NDArray[np.float32]:  # noqa: ANN401  the same
    if answer.dtype.kind == "f":
        return answer.astype(np.float32)
    scale, zero = details["quantization"]
    real: NDArray[np.float32] = (answer.astype(np.float32) - zero) * np.float32(scale or 1.0)
    return real


def _check_shapes(path: Path, network: Network, shape: Shape) -> None:
    takes, gives = network.shapes()
    if takes != [1, shape.size, shape.size, 3] or gives != [1, shape.outputs]:
        what = f"not {shape.size} px to {shape.outputs} classes"
        raise misfit(path, f"it maps {takes} to {gives}, {what}")


def fit_of(word: str) -> Fit:
    """Return a bundle's word for how pictures are made square, as a type."""
    return "pad" if word == "pad" else "stretch" if word == "stretch" else "crop"
