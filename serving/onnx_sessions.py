"""Run a model on ONNX Runtime: the second engine, behind the interface of the first."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.interpreters import misfit

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
