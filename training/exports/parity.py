"""Run exported files on the runtimes they were made for, and judge them by their answers."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import Dense, softmax
from sceneset.errors import DamagedDataError
from sceneset.manifest.rows import Split
from sceneset.progress import STDERR, without_native_chatter
from training.data.version import Example, Version, picture_batches
from training.exports.litert import Calibration
from training.exports.saved_model import INPUTS
from training.models.backend import tf
from training.models.inference import Pictures

Rows = NDArray[np.float32]
Probabilities = NDArray[Any]
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
        outputs: list[list[Any]] = [[] for _ in gives]
        for picture in pictures:
            interpreter.set_tensor(takes, picture[np.newaxis].astype(np.float32))
            interpreter.invoke()
            for rows, place in zip(outputs, gives, strict=True):
                rows.append(interpreter.get_tensor(place)[0])
        return tuple(np.stack(rows) for rows in outputs)

    return run


def litert_runner(data: bytes) -> Runner:
    """Return uint8[N, size, size, 3] -> the first output of a LiteRT model, float32[N, classes]."""
    outputs = litert_outputs(data)
    return lambda pictures: outputs(pictures)[0]


def explained_runner(data: bytes, head: Sequence[Dense]) -> Runner:
    """Return uint8[N, size, size, 3] -> probabilities from explain.tflite and the head's layers."""
    outputs = litert_outputs(data)

    def run(pictures: Pictures) -> Rows:
        values: NDArray[Any] = outputs(pictures)[1]
        for layer in head:
            values = values @ layer.kernel + layer.bias
            values = np.maximum(values, 0) if layer.relu else values
        return softmax(values)

    return run


def load_late(load: Callable[[], Runner]) -> Runner:
    """Return a runner that is loaded when it is used first: no conversion shares its memory."""
    loaded = cache(load)

    def run(pictures: Pictures) -> Rows:
        return loaded()(pictures)

    return run


def onnx_runner(path: Path) -> Runner:
    """Return uint8[N, size, size, 3] -> float32[N, classes] by ONNX Runtime."""
    import onnxruntime  # noqa: PLC0415  an extra

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(pictures: Pictures) -> Rows:
        return np.asarray(session.run(None, {name: pictures.astype(np.float32)})[0])

    return run


def saved_model_runner(path: Path) -> Callable[[str, Any], Rows]:
    """Return a signature and its batch -> float32[N, classes] by a SavedModel, loaded when used first."""
    # Without the loaded object its signatures lose their variables.
    loaded = cache(lambda: tf.saved_model.load(str(path)))

    def run(signature: str, batch: Any) -> Rows:  # noqa: ANN401  pictures, or a list of bytes
        given = {INPUTS[signature]: tf.constant(batch)}
        return np.asarray(loaded().signatures[signature](**given)["probabilities"], np.float32)

    return run


Item = TypeVar("Item")
# Pictures for the 8-bit scales, for the gate of the 8-bit model, for the signatures of bytes.
CALIBRATION, JUDGED, FEW = 200, 1000, 32


def proof_examples(version: Version) -> tuple[Example, ...]:
    """Return every test picture; without one, the validation pictures, else a few of training."""
    splits = version.splits
    return splits["test"] or splits["val"] or tuple(pick_evenly(splits["train"], FEW))


def judged_examples(version: Version) -> tuple[Split, list[Example]]:
    """Return what decides on files of fewer bits: validation pictures, else those of training.

    Never the test split: what it decided on it could no longer measure.
    """
    split: Split = "val" if version.splits["val"] else "train"
    return split, pick_evenly(version.splits[split], JUDGED)


def pick_evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly over their order: examples stand class by class."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def require_some(read: Sequence[int], examples: Sequence[Example]) -> None:
    """Raise DamagedDataError when none of the examples could be read: nothing would be proved."""
    if examples and not read:
        raise DamagedDataError(
            f"none of {len(examples)} published pictures can be read any more, the first:"
            f" {examples[0].path}; the exports stay unproved and nothing is published",
            cure="sceneset verify lists what is damaged; --resume then goes on from the last epoch",
        )


def read_files(examples: Sequence[Example]) -> tuple[list[bytes], list[int]]:
    """Return the files of examples as they are, and the places of those that can be read.

    Raises DamagedDataError when none can.
    """
    files = dict[int, bytes]()
    for place, example in enumerate(examples):
        with suppress(OSError):
            files[place] = example.path.read_bytes()
    require_some(list(files), examples)
    return list(files.values()), list(files)


def calibration_pictures(version: Version) -> Calibration:
    """Return what gives the 8-bit conversion pictures of training, [float32[1, size, size, 3]].

    Those that were lost are passed over; raises DamagedDataError when all were.
    """
    examples = pick_evenly(version.splits["train"], CALIBRATION)
    paths = [one.path for one in examples]

    def pictures() -> Iterator[list[NDArray[np.float32]]]:
        lost = dict[Path, Exception]()
        for batch in picture_batches(paths, version.size, version.fit, broken=lost.__setitem__):
            for picture in batch:
                yield [picture[np.newaxis].astype(np.float32)]
        require_some([k for k, path in enumerate(paths) if path not in lost], examples)

    return pictures


# What float32 runtimes may differ by in a probability.
TOLERANCE = 1e-4
# Probabilities this close are one: which of them comes first is no difference.
TIE = 1e-6


@dataclass(frozen=True)
class Parity:
    """How answers differ from the model's own on the same pictures.

    `largest` is the largest difference of a probability, `other_top1` the pictures with another
    most probable class.
    """

    pictures: int
    largest: float
    other_top1: int

    @property
    def exact(self) -> bool:
        """Say whether these are the answers of the same float32 network."""
        return self.largest <= TOLERANCE and self.other_top1 == 0


def compare(reference: Probabilities, answers: Probabilities) -> Parity:
    """Compare probabilities float[N, classes]; the difference of an answer that is NaN is infinite."""
    if not len(reference):
        return Parity(0, 0.0, 0)
    differences = np.abs(np.asarray(answers, np.float64) - reference)
    largest = float(np.nan_to_num(differences, nan=np.inf).max())
    rows = np.arange(len(reference))
    chosen = reference[rows, np.nan_to_num(answers, nan=-1.0).argmax(axis=1)]
    other = reference.max(axis=1) - chosen > TIE
    return Parity(len(reference), largest, int(other.sum()))


def require_exact(name: str, parity: Parity, *, imported: bool = False) -> None:
    """Raise DamagedDataError when a float export does not answer as the model does.

    An imported model is proved on drawn pictures.
    """
    if parity.exact:
        return
    model, pictures = ("model", "drawn pictures") if imported else ("trained model", "pictures")
    raise DamagedDataError(
        f"{name} does not answer as the {model}: another top-1 on {parity.other_top1} of"
        f" {parity.pictures} {pictures}, probabilities up to {parity.largest:.2g} apart"
        f" ({TOLERANCE:g} allowed); nothing is published",
        cure="leave that format out of --export; layers that draw at random must not do so here"
        if imported
        else "train again; if it stays, another --backbone, or leave that format out of --export",
    )


# Of 1: the top-1 that fewer bits may cost.
ALLOWED = 0.005
# Half a point is one picture of 200: fewer cannot show it.
FEWEST = 200


@dataclass(frozen=True)
class Gate:
    """What fewer bits cost: top-1 in 0..1 of the float model and of the other on the same pictures.

    `lost` is how many pictures fewer are right, `allowed` how many may be; None when the pictures
    are too few to say. `split` is the one they are of, never the test split.
    """

    pictures: int
    float_top1: float
    top1: float
    lost: int
    allowed: int | None
    split: Split = "val"

    @property
    def passed(self) -> bool:
        """Say whether the export is worth having."""
        return self.allowed is not None and self.lost <= self.allowed


def judge_fewer_bits(
    kind: str,
    reference: Probabilities,
    answers: Probabilities,
    labels: NDArray[np.int64],
    split: Split = "val",
) -> Gate:
    """Allow half a point of top-1: `int8` on 200 pictures or more, since fewer show nothing.

    `fp16` may lose one picture of however few: weights of 16 bits only round. Probabilities
    float[N, classes], labels int64[N].
    """
    count, allowed = len(labels), int(ALLOWED * len(labels))
    right = [int(np.sum(one.argmax(axis=1) == labels)) for one in (reference, answers)]
    before, after = (hits / max(1, count) for hits in right)
    can_tell = count >= (FEWEST if kind == "int8" else 1)
    most = max(1, allowed) if kind == "fp16" else allowed
    return Gate(count, before, after, right[0] - right[1], most if can_tell else None, split)


@dataclass(eq=False)
class Export:
    """One export: a file or folder of the bundle, how it was proved; or why it was left out.

    `sha256` is a file's; the files of a folder have theirs in bundle.json. What runs it: `every` on
    every picture of the proof, `few` on a few, `files` on a few files.
    """

    name: str
    kind: str
    seconds: float = 0.0
    bytes: int = 0
    sha256: str = ""
    parity: dict[str, Parity] = field(default_factory=dict)
    gate: Gate | None = None
    left_out: str = ""
    every: Runner | None = None
    few: Runner | None = None
    files: Mapping[str, FilesRunner] = field(default_factory=dict)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the block's seconds."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds += perf_counter() - start

    def as_json(self) -> dict[str, object]:
        """Return what bundle.json and metrics.json say of it."""
        record: dict[str, object] = {"kind": self.kind}
        record |= {"seconds": round(self.seconds, 2)} if self.seconds else {}
        record |= {"left_out": self.left_out} if self.left_out else {"bytes": self.bytes}
        record |= {"sha256": self.sha256} if self.sha256 else {}
        if self.parity:
            record["parity"] = {name: asdict(one) for name, one in self.parity.items()}
        if self.gate is not None:
            record["gate"] = {**asdict(self.gate), "passed": self.gate.passed}
        return record


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of every file below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
