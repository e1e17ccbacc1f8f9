"""Share a few LiteRT interpreters among threads."""

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedDataError
from pipeline.native_output import STDERR, without_native_chatter
from serving.memory import mapped_copy

Outputs = tuple[NDArray[np.float32], ...]


class Interpreters:
    """One single-thread interpreter per worker; threads take turns through a queue.

    Two interpreters of one thread answer 1.1 times as many pictures as one of two threads, and
    batches lower the rate. `takes` and `gives` are the shapes of the input and of each output.
    """

    def __init__(self, path: Path, workers: int) -> None:
        """Load the model `workers` times. Raises DamagedDataError when it cannot be run."""
        self._path = path
        self._idle: SimpleQueue[Any] = SimpleQueue()
        data = read_model(path)
        with without_native_chatter(STDERR), mapped_copy(data) as copy:
            loaded = [load_interpreter(path, copy or data) for _ in range(workers)]
        for interpreter in loaded:
            self._idle.put(interpreter)
        self._input = loaded[0].get_input_details()[0]["index"]
        self._outputs = [one["index"] for one in loaded[0].get_output_details()]
        self.takes = [int(n) for n in loaded[0].get_input_details()[0]["shape"]]
        self.gives = [[int(n) for n in one["shape"]] for one in loaded[0].get_output_details()]

    def run(self, picture: NDArray[np.uint8]) -> Outputs:
        """Return each output for a picture uint8[size, size, 3], float32 without the batch axis."""
        value = picture[np.newaxis].astype(np.float32)
        interpreter = self._idle.get()
        try:
            interpreter.set_tensor(self._input, value)
            interpreter.invoke()
            return tuple(interpreter.get_tensor(place)[0] for place in self._outputs)
        finally:
            self._idle.put(interpreter)

    def misfit(self, why: str) -> DamagedDataError:
        """Return the error of a model that is not what its bundle says."""
        return misfit(self._path, why)


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


def load_interpreter(path: Path, model: bytes | str, threads: int = 1) -> Any:  # noqa: ANN401  LiteRT has no types
    """Return an interpreter of a model's bytes, or of a copy of them that it maps.

    The weights are packed anew for each interpreter; of a copy in a file no second one stays in
    memory. `path` is for errors. Raises DamagedDataError when it cannot be run.
    """
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  an extra

    try:
        given = {"model_path": model} if isinstance(model, str) else {"model_content": model}
        interpreter = Interpreter(**given, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise misfit(path, str(error)) from error
    return interpreter


def misfit(path: Path, why: str) -> DamagedDataError:
    """Return the error of a model that is not what its bundle says."""
    return DamagedDataError(
        f"{path} cannot be run: {why}", cure="train again or restore the bundle"
    )
