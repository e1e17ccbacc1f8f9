"""Run a model on LiteRT or ONNX Runtime: bytes in, probabilities out, no TensorFlow."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.reader import Bundle
from sceneset.images import load_square
from sceneset.progress import STDERR, without_native_chatter
from serving.inference.interpreter_pool import (
    Crew,
    Later,
    Network,
    load_interpreter,
    misfit,
    read_model,
    wide_threads,
)
from serving.inference.memory import drop_pages, mapped_copy
from serving.inference.queue import available_cores
from serving.settings import FILES, Runtime

# What ONNX Runtime says on stderr: errors only.
_ERRORS = 3


class OnnxNetwork:
    """One session of one thread; several threads share the work by having a session each."""

    def __init__(self, path: Path, data: bytes) -> None:
        """Load a model's bytes; `path` is for errors. Raises DamagedDataError."""
        import onnxruntime  # noqa: PLC0415  an extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no class but this
            raise misfit(path, str(error).splitlines()[0] if str(error) else "no model") from error
        self._takes, self._gives = self._session.get_inputs(), self._session.get_outputs()
        if len(self._takes) != 1 or self._takes[0].type != "tensor(float)":
            raise misfit(path, "it does not take one tensor of float32")

    def shapes(self) -> tuple[list[int], list[int]]:
        """Return the shapes of the input and of the first output; a free batch counts as 1."""
        return _shape(self._takes[0]), _shape(self._gives[0])

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[classes] for float32[size, size, 3] in the model's own range."""
        given = {self._takes[0].name: values[np.newaxis]}
        return np.asarray(self._session.run([self._gives[0].name], given)[0][0], np.float32)


def _shape(value: Any) -> list[int]:  # noqa: ANN401  ONNX Runtime has no types
    batch, *rest = value.shape or [None]
    sides = [side if isinstance(side, int) else -1 for side in rest]
    return [batch if isinstance(batch, int) and batch > 0 else 1, *sides]


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
        later: Later | None = None,
    ) -> None:
        """Load the model `workers` times and run each once; `file` is by default the runtime's own.

        With `later`, LiteRT has one network of several threads for when a job is alone; see `Crew`.
        Raises DamagedDataError when it is missing or does not fit.
        """
        self.class_names = bundle.class_names
        self.size = bundle.size
        self._fit = bundle.fit
        self._scaling = scaling
        path = bundle.path(file or FILES[runtime])
        shape = Shape(bundle.size, len(bundle.class_names))
        load = _onnx_loader(path, shape) if runtime == "onnx" else _Loader(path, shape).load
        with without_native_chatter(STDERR):
            self._crew = Crew(
                load,
                workers,
                threads=wide_threads(workers, available_cores()),
                later=later if runtime == "litert" else None,
            )

    def classify(self, data: bytes) -> NDArray[np.float32]:
        """Return the probability of each class, float32[classes], for a picture's bytes.

        Safe to call from several threads. Raises PictureError.
        """
        return self.infer(self.prepare(data))

    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """Decode and fit a picture: uint8[size, size, 3]. Raises PictureError."""
        return load_square(data, self.size, self._fit)

    def infer(self, pixels: NDArray[Any], *, alone: bool = False) -> NDArray[np.float32]:
        """Return the probabilities, float32[classes], for pixels in 0..255 [size, size, 3].

        `alone` says that no other job is waiting or at work.
        """
        values = pixels.astype(np.float32)
        low, high = self._scaling.black, self._scaling.white
        if (low, high) != (0.0, _BYTE):
            values = values * ((high - low) / _BYTE) + low
        return self._crew.run(values, alone=alone)

    def retire(self) -> None:
        """Load nothing more: another model is in service. Jobs are still answered."""
        self._crew.retire()


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

    def __init__(self, path: Path, model: bytes | str, threads: int = 1) -> None:
        self._interpreter = load_interpreter(path, model, threads)
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


class _Loader:
    """Load networks of one LiteRT model, also when its bundle is gone or was altered.

    They map an unnamed copy of it, which stays open for those to come and costs no memory; where
    there is no such copy, they share the bytes.
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        self._path, self._shape = path, shape
        data = read_model(path)
        self._copied = ExitStack()
        self._copy = self._copied.enter_context(mapped_copy(data))
        self._model = self._copy or data

    def load(self, threads: int) -> Network:
        """Return a network that ran once. Raises DamagedDataError when it does not fit."""
        network = _Network(self._path, self._model, threads)
        _try_out(self._path, network, self._shape)
        if self._copy is not None:
            with suppress(OSError):
                drop_pages(str(Path(self._copy).readlink()))
        return network


def _onnx_loader(path: Path, shape: Shape) -> Callable[[int], Network]:
    data = read_model(path)

    def load(_threads: int) -> Network:
        network = OnnxNetwork(path, data)
        _try_out(path, network, shape)
        return network

    return load


def _quantised(values: NDArray[np.float32], details: Any) -> NDArray[Any]:  # noqa: ANN401  LiteRT has no types
    kind = np.dtype(details["dtype"])
    if kind.kind == "f":
        return values.astype(kind, copy=False)
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


def _try_out(path: Path, network: Network, shape: Shape) -> None:
    """Run a network once. Raises DamagedDataError when it is not of this shape."""
    takes, gives = network.shapes()
    if takes != [1, shape.size, shape.size, 3] or gives != [1, shape.outputs]:
        what = f"not {shape.size} px to {shape.outputs} classes"
        raise misfit(path, f"it maps {takes} to {gives}, {what}")
    network.run(np.zeros((shape.size, shape.size, 3), np.float32))
