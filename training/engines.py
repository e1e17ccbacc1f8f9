"""Choose what embeds: TensorFlow in float32, or OpenVINO in bfloat16 where it is installed."""

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MissingExtraError
from pipeline.native_output import STDERR, STDOUT, without_native_chatter
from training.embed import Compute, Pictures
from training.settings import EngineName

PARALLEL = 8
Engine = Literal["tensorflow", "openvino"]


def choose_engine(
    asked: EngineName, installed: Callable[[str], object] = importlib.util.find_spec
) -> Engine:
    """Return the engine asked for; `auto` is OpenVINO where it is installed.

    Raises MissingExtraError when the one asked for is not installed.
    """
    if asked == "tensorflow":
        return "tensorflow"
    if installed("openvino") is not None:
        return "openvino"
    if asked == "auto":
        return "tensorflow"
    raise MissingExtraError(
        "--engine openvino needs the package openvino, which is not installed",
        cure="pip install -e '.[openvino]', or --engine tensorflow",
    )


def openvino_engine(model: Any) -> Compute:  # noqa: ANN401
    """Compile for OpenVINO in bfloat16: three times TensorFlow's rate on CPUs that know bfloat16.

    Features differ from float32 by 3 to 10 % of their length. A head trained on them scores the
    same; figures are never taken from them.
    """
    import openvino as ov  # noqa: PLC0415  an extra

    with (
        tempfile.TemporaryDirectory() as folder,
        without_native_chatter(STDOUT, STDERR),
    ):
        path = Path(folder) / "model.xml"
        model.export(str(path), format="openvino", verbose=False)
        core = ov.Core()
        read = core.read_model(path)
        compiled = core.compile_model(
            read, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "THROUGHPUT"}
        )
    outputs = len(compiled.outputs)

    def compute(pictures: Pictures) -> Sequence[NDArray[np.float32]]:
        found: dict[int, list[NDArray[np.float32]]] = {}

        def keep(request: Any, place: int) -> None:  # noqa: ANN401
            found[place] = [request.get_output_tensor(k).data.copy() for k in range(outputs)]

        queue = ov.AsyncInferQueue(compiled)
        queue.set_callback(keep)
        for start in range(0, len(pictures), PARALLEL):
            queue.start_async([pictures[start : start + PARALLEL].astype(np.float32)], start)
        queue.wait_all()
        return [np.concatenate([found[k][n] for k in sorted(found)]) for n in range(outputs)]

    return compute
