"""Run a model on LiteRT or ONNX Runtime: bytes in, probabilities out, no TensorFlow."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.reader import Bundle
from sceneset.errors import DamagedDataError
from sceneset.images import load_square
from sceneset.progress import STDERR, without_native_chatter
from serving.inference.interpreter_pool import (
    Background,
    Interpreter,
    InterpreterPool,
    Outputs,
    threads_for_one_job,
)
from serving.inference.memory import drop_pages, path_of, unnamed_copy
from serving.inference.queue import available_cores
from serving.settings import FILES, Runtime

# What ONNX Runtime says on stderr: errors only.
_ERRORS = 3
_BYTE = 255.0


# The values that a model takes for black and for white.
Scaling = tuple[float, float]
BYTES: Scaling = (0.0, _BYTE)


class Engine:
    """A bundle's model, which several threads may ask at once."""

    def __init__(
        self,
        bundle: Bundle,
        workers: int = 2,
        *,
        file: str = "",
        scaling: Scaling = BYTES,
        runtime: Runtime = "litert",
        background: Background | None = None,
    ) -> None:
        """Load the model `workers` times and run each once; `file` is by default the runtime's own.

        With `background`, LiteRT has several threads for a job that is alone; see `InterpreterPool`.
        Raises DamagedDataError when it is missing or does not fit.
        """
        self.bundle = bundle
        self.runtime = runtime
        self._scaling = scaling
        path = bundle.path(file or FILES[runtime])
        check = partial(_try_out, path, bundle.size, len(bundle.class_names))
        self._pool = InterpreterPool(
            make_loader(path, check, runtime),
            workers,
            threads=threads_for_one_job(workers, available_cores()),
            background=background if runtime == "litert" else None,
        )

    def classify(self, data: bytes) -> NDArray[np.float32]:
        """Return the probability of each class, float32[classes], for a picture's bytes.

        Safe to call from several threads. Raises PictureError.
        """
        return self.infer(self.prepare(data))

    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """Decode and fit a picture: uint8[size, size, 3]. Raises PictureError."""
        return load_square(data, self.bundle.size, self.bundle.fit)

    def infer(self, pixels: NDArray[Any], *, alone: bool = False) -> NDArray[np.float32]:
        """Return the probabilities, float32[classes], for pixels in 0..255 [size, size, 3].

        `alone` says that no other job is waiting or at work.
        """
        values = pixels.astype(np.float32)
        low, high = self._scaling
        if self._scaling != BYTES:
            values = values * ((high - low) / _BYTE) + low
        return self._pool.run(values, alone=alone)[0]

    def retire(self) -> None:
        """Load nothing more: another model is in service. Jobs are still answered."""
        self._pool.retire()


def read_shape(path: Path) -> tuple[int, int]:
    """Return the side in px of what a .tflite file takes, and the number of its outputs.

    Raises DamagedDataError when it cannot be run.
    """
    with without_native_chatter(STDERR):
        takes, (gives, *_) = LiteRTInterpreter(path, path.read_bytes()).shapes()
    square = len(takes) == 4 and takes[0] == 1 and takes[1] == takes[2] and takes[3] == 3  # noqa: PLR2004  one square picture
    if not square or len(gives) != 2 or gives[0] != 1:  # noqa: PLR2004  one row of classes
        raise model_error(path, f"it maps {takes} to {gives}, not one square picture to classes")
    return takes[1], gives[1]


def top_classes(
    probabilities: NDArray[np.float32], names: tuple[str, ...], top: int
) -> list[tuple[str, float]]:
    """Return the `top` most probable classes, the most probable first; equal ones by label."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(names[label], float(probabilities[label])) for label in order]


class LiteRTInterpreter:
    """An interpreter of LiteRT; quantised inputs and outputs are converted as the file says."""

    def __init__(self, path: Path, model: bytes | str, threads: int = 1) -> None:
        """Load a model's bytes, or map the file that a text names; `path` is for errors.

        The weights are packed anew for each interpreter; of a mapped file no second copy stays in
        memory. Raises DamagedDataError when it cannot be run.
        """
        from ai_edge_litert import interpreter as litert  # noqa: PLC0415  an extra

        try:
            given = {"model_path": model} if isinstance(model, str) else {"model_content": model}
            self._interpreter = litert.Interpreter(**given, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise model_error(path, str(error)) from error
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    def shapes(self) -> tuple[list[int], list[list[int]]]:
        """Return the shapes of the first input and of each output."""
        return self._input["shape"].tolist(), [one["shape"].tolist() for one in self._outputs]

    def run(self, values: NDArray[Any]) -> Outputs:
        """Return each output without its batch axis for values[size, size, 3] in the model's range."""
        self._interpreter.set_tensor(self._input["index"], _quantised(values, self._input)[None])
        self._interpreter.invoke()
        return [_real(self._interpreter.get_tensor(o["index"])[0], o) for o in self._outputs]


class OnnxInterpreter:
    """One session of one thread; several threads share the work by having a session each."""

    def __init__(self, path: Path, model: bytes | str, _threads: int = 1) -> None:
        """Load a model's bytes; `path` is for errors. Raises DamagedDataError."""
        import onnxruntime  # noqa: PLC0415  an extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no class but this
            reason = str(error).splitlines()[0] if str(error) else "no model"
            raise model_error(path, reason) from error
        self._inputs, self._outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(self._inputs) != 1 or self._inputs[0].type != "tensor(float)":
            raise model_error(path, "it does not take one tensor of float32")

    def shapes(self) -> tuple[list[int], list[list[int]]]:
        """Return the shapes of the input and of each output; a free batch counts as 1."""
        return _shape(self._inputs[0]), [_shape(one) for one in self._outputs]

    def run(self, values: NDArray[Any]) -> Outputs:
        """Return the first output for float32[size, size, 3] in the model's own range."""
        given = {self._inputs[0].name: values[np.newaxis]}
        return [np.asarray(self._session.run([self._outputs[0].name], given)[0][0], np.float32)]


def _shape(value: Any) -> list[int]:  # noqa: ANN401  ONNX Runtime has no types
    batch, *rest = value.shape or [None]
    sides = [side if isinstance(side, int) else -1 for side in rest]
    return [batch if isinstance(batch, int) and batch > 0 else 1, *sides]


def make_loader(
    path: Path, check: Callable[[Interpreter], None], runtime: Runtime = "litert"
) -> Callable[[int], Interpreter]:
    """Return what loads interpreters of one model, also when its bundle is gone or was altered.

    It takes a number of threads. Interpreters of LiteRT map an unnamed copy of the model, which
    stays open for those to come and costs no memory; where there is no such copy, they share the
    bytes. Raises DamagedDataError when the bundle does not hold the model or it fails the check.
    """
    kind = OnnxInterpreter if runtime == "onnx" else LiteRTInterpreter
    data = read_model(path)
    copy = None if runtime == "onnx" else unnamed_copy(data)
    model = data if copy is None else path_of(copy)

    def load(threads: int) -> Interpreter:
        interpreter = kind(path, model, threads)
        check(interpreter)
        if copy is not None:
            drop_pages(copy)
        return interpreter

    if copy is not None:
        finalize(load, copy.close)
    return load


def read_model(path: Path) -> bytes:
    """Return a model's bytes. Raises DamagedDataError when its bundle does not hold it.

    Read once for all interpreters. They never map the bundle's own file: one that shrinks under
    them would end the process.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read: {error.strerror}", cure="train again or restore the bundle"
        ) from error


def model_error(path: Path, why: str) -> DamagedDataError:
    """Return the error of a model that is not what its bundle says."""
    return DamagedDataError(
        f"{path} cannot be run: {why}", cure="train again or restore the bundle"
    )


def _quantised(values: NDArray[Any], details: Any) -> NDArray[Any]:  # noqa: ANN401  LiteRT has no types
    kind = np.dtype(details["dtype"])
    if kind.kind == "f":
        return values.astype(kind, copy=False)
    scale, zero = details["quantization"]
    limits = np.iinfo(kind)
    steps: NDArray[Any] = np.round(values / (scale or 1.0) + zero)
    return steps.clip(limits.min, limits.max).astype(kind)


def _real(answer: NDArray[Any], details: Any) -> NDArray[np.float32]:  # noqa: ANN401  LiteRT has no types
    if answer.dtype.kind == "f":
        return answer.astype(np.float32)
    scale, zero = details["quantization"]
    real: NDArray[np.float32] = (answer.astype(np.float32) - zero) * np.float32(scale or 1.0)
    return real


def _try_out(path: Path, size: int, classes: int, interpreter: Interpreter) -> None:
    """Run an interpreter once. Raises DamagedDataError when it is not of this shape."""
    takes, (gives, *_) = interpreter.shapes()
    if takes != [1, size, size, 3] or gives != [1, classes]:
        raise model_error(path, f"it maps {takes} to {gives}, not {size} px to {classes} classes")
    interpreter.run(np.zeros((size, size, 3), np.float32))
