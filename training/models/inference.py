"""Run a network over pictures: compiled by TensorFlow, or by OpenVINO in bfloat16."""

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sceneset.errors import MissingExtraError
from sceneset.progress import STDERR, STDOUT, without_native_chatter
from training.models.backend import keras, tf

Pictures = NDArray[np.uint8]
# uint8[N, size, size, 3] -> pooled float32[N, features] and, when requested, float32 feature maps
Compute = Callable[[Pictures], Sequence[NDArray[Any]]]
CHUNK = 8
THREADS = 2
FROZEN_WEIGHTS = 50_000_000
PARALLEL = 8
RuntimeName = Literal["auto", "tensorflow", "openvino"]
Runtime = Literal["tensorflow", "openvino"]


def forward_all(model: Any) -> Callable[[Pictures], list[NDArray[np.float32]]]:  # noqa: ANN401  Keras has no types
    """Compile a model's inference: uint8[N, size, size, 3] -> each output, float32[N, ...].

    Up to FROZEN_WEIGHTS weights become constants, so that TensorFlow folds batch normalisation into
    the kernels; a CHUNK of pictures stays in the processor's cache, and two threads leave no core
    waiting. Never XLA, whose convolutions are slow on a CPU. Later changes of the weights are not
    seen.
    """
    run = _calculation(model)
    shape = (None, *model.input.shape[1:])
    compiled = tf.function(run, autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])

    def compute_chunk(pictures: Pictures) -> list[NDArray[np.float32]]:
        answer = compiled(np.ascontiguousarray(pictures))
        outputs = answer if isinstance(answer, list | tuple) else [answer]
        return [np.asarray(output, np.float32) for output in outputs]

    def compute(pictures: Pictures) -> list[NDArray[np.float32]]:
        starts = range(0, len(pictures), CHUNK)
        chunks = [pictures[start : start + CHUNK] for start in starts]
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(compute_chunk, chunks))
        return [np.concatenate(output) for output in zip(*answers, strict=True)]

    return compute


def _calculation(model: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    """Return uint8 -> outputs in inference mode, with constant weights when they are small."""

    def run(pictures: Any) -> Any:  # noqa: ANN401
        return model(tf.cast(pictures, tf.float32), training=False)

    if model.count_params() > FROZEN_WEIGHTS:
        return run
    trainable = [variable.numpy() for variable in model.trainable_variables]
    others = [variable.numpy() for variable in model.non_trainable_variables]

    def run_frozen(pictures: Any) -> Any:  # noqa: ANN401
        constants = ([tf.constant(value) for value in values] for values in (trainable, others))
        return model.stateless_call(*constants, tf.cast(pictures, tf.float32), training=False)[0]

    return run_frozen


def forward(model: Any) -> Callable[[Pictures], NDArray[np.float32]]:  # noqa: ANN401
    """Compile a model's inference: uint8[N, size, size, 3] -> float32[N, outputs]."""
    compute_all = forward_all(model)
    return lambda pictures: compute_all(pictures)[0]


def load_model(path: Path) -> Any:  # noqa: ANN401  Keras has no types
    """Load an exported model.keras; code inside the file is refused (Keras' safe mode)."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def choose_runtime(
    requested: RuntimeName, installed: Callable[[str], object] = importlib.util.find_spec
) -> Runtime:
    """Return the runtime requested; `auto` is OpenVINO where it is installed.

    Raises MissingExtraError when the one requested is not installed.
    """
    if requested == "tensorflow":
        return "tensorflow"
    if installed("openvino") is not None:
        return "openvino"
    if requested == "auto":
        return "tensorflow"
    raise MissingExtraError(
        "--engine openvino needs the package openvino, which is not installed",
        cure="pip install -e '.[openvino]', or --engine tensorflow",
    )


def openvino_runtime(model: Any) -> Compute:  # noqa: ANN401
    """Compile for OpenVINO in bfloat16, for CPUs that know it.

    A head trained on its features scores the same as on those of float32; figures are never taken
    from them.
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
        answers: dict[int, list[NDArray[np.float32]]] = {}

        def keep(request: Any, place: int) -> None:  # noqa: ANN401
            answers[place] = [request.get_output_tensor(k).data.copy() for k in range(outputs)]

        queue = ov.AsyncInferQueue(compiled)
        queue.set_callback(keep)
        for start in range(0, len(pictures), PARALLEL):
            queue.start_async([pictures[start : start + PARALLEL].astype(np.float32)], start)
        queue.wait_all()
        return [np.concatenate([answers[k][n] for k in sorted(answers)]) for n in range(outputs)]

    return compute
