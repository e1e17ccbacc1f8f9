"""Write a bundle's files, every export that was requested among them, each proved before it may stay."""

import base64
import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sceneset.atomic import write_file
from sceneset.bundle.reader import BUNDLE_NAME, FORMAT
from sceneset.checksums import file_sha256, hash_files
from sceneset.images import PAD_COLOUR, Fit
from sceneset.manifest.rows import Split
from sceneset.progress import Bars
from training.data.version import Example, Version, labels_of, picture_batches
from training.evaluation.predict import Answers
from training.exports.explain import Anatomy, anatomy, write_head
from training.exports.litert import (
    classifier_file,
    convert,
    convert_large,
    explain_file,
    trace,
)
from training.exports.onnx import write_onnx
from training.exports.parity import (
    FEW,
    FEWEST,
    Export,
    Probabilities,
    Rows,
    Runner,
    calibration_pictures,
    compare,
    explained_runner,
    judge_fewer_bits,
    judged_examples,
    litert_runner,
    load_late,
    onnx_runner,
    pick_evenly,
    proof_examples,
    read_files,
    require_exact,
    require_some,
    saved_model_runner,
    size_of,
)
from training.exports.saved_model import (
    BASE64,
    BYTES,
    INPUTS,
    PIXELS,
    native_work,
    write_saved_model,
)
from training.models.inference import forward
from training.recipes.context import Setup
from training.settings import EXPLAIN_FILE, FILES, HEAD_FILE, missing_packages

KERAS_NAME = FILES["keras"]
# In this order they stand in a bundle's record.
_WRITTEN = ("litert", "saved_model", "onnx", "fp16", "int8")
SPLIT_WORDS: Mapping[Split, str] = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class ExportJob:
    """What is exported where: `model` maps pictures float32[N, size, size, 3] to probabilities.

    `anatomy` is what Grad-CAM needs of the model, None where it cannot be had. `reference` are its
    answers on the `examples` of the proof, float[N, classes]; None before they are known. An
    `imported` model may be exported without what explains it; `converting` wraps each conversion of
    one, and from `large` weights on conversions spare memory rather than time.
    """

    folder: Path
    model: Any
    anatomy: Anatomy | None
    version: Version
    bars: Bars
    name: str
    examples: tuple[Example, ...]
    reference: Probabilities | None = None
    say: Callable[[str], None] = lambda _line: None
    imported: bool = False
    converting: Callable[[str], AbstractContextManager[object]] = nullcontext
    large: float = math.inf

    def pack(self, converted: bytes, position: int) -> bytes:
        """Return the LiteRT file of a converted graph and its probabilities' position."""
        version = self.version
        return classifier_file(converted, position, self.name, version.size, version.class_names)

    def convert(self, outputs: list[Any] | None) -> bytes:
        """Convert the graph from pictures to these tensors, or to the answer, in float32."""
        graph, variables = trace(self.model, outputs), self.model.variables
        if sum(math.prod(one.value.shape) for one in variables) > self.large:
            return convert_large(graph, variables, self.folder)
        return convert(graph)

    def run(
        self, runners: Mapping[str, Runner], examples: Sequence[Example], name: str
    ) -> tuple[dict[str, Rows], list[int]]:
        """Return each runner's probabilities float32[N, classes], and the places of those N examples.

        The pictures are decoded once. Those that were lost since they were measured are set aside.
        """
        version, bar = self.version, self.bars.add(name, total=len(examples))
        answers: dict[str, list[Rows]] = {runner: [] for runner in runners}
        paths = [example.path for example in examples]
        lost = dict[Path, Exception]()
        for batch in picture_batches(paths, version.size, version.fit, broken=lost.__setitem__):
            for runner, run in runners.items():
                answers[runner].append(run(batch))
            bar.advance(len(batch))
        bar.advance(len(lost))
        if lost:
            self.say(f"{name}: {len(lost)} pictures cannot be read any more")
        read = [place for place, path in enumerate(paths) if path not in lost]
        empty = np.empty((0, len(version.class_names)), np.float32)
        return {one: np.concatenate([empty, *rows]) for one, rows in answers.items()}, read


def export_all(job: ExportJob, kinds: Sequence[str]) -> list[Export]:
    """Write these kinds of exports but model.keras, in their order; return what became of each.

    Raises DamagedDataError when a float export answers otherwise than the model. One with fewer
    bits that loses too much, and ONNX without its packages, are left out and say why.
    """
    writers = {"litert": _litert, "saved_model": _saved_model, "onnx": _onnx}
    floats = [one for kind in kinds if kind in writers for one in writers[kind](job)]
    _prove(job, floats)
    small = [_shrink(job, kind) for kind in kinds if kind in ("fp16", "int8")]
    _judge(job, {export: data for export, data in small if data})
    exports = [*floats, *(export for export, _ in small)]
    return [one for one in exports if one.left_out or (job.folder / one.name).exists()]


def _litert(job: ExportJob) -> list[Export]:
    """Write model.tflite, explain.tflite and head.npz from one conversion."""
    export = Export(FILES["litert"], "litert")
    explain, head = Export(EXPLAIN_FILE, "explain"), Export(HEAD_FILE, "explain")
    parts, outputs = job.anatomy, job.model.outputs
    if parts is not None:
        outputs = [parts.feature_map, parts.pooled, parts.probabilities]
    with export.timed(), job.converting(export.name):
        converted = job.convert(outputs)
        data = job.pack(converted, 0 if parts is None else len(outputs) - 1)
        write_file(job.folder / export.name, data)
    export.bytes = len(data)
    export.every = load_late(lambda: litert_runner((job.folder / export.name).read_bytes()))
    if parts is None:
        explain.left_out = "no global average followed by dense layers alone: Grad-CAM needs both"
        return [export, explain]
    with explain.timed():
        explaining = explain_file(converted)
        write_file(job.folder / explain.name, explaining)
        write_head(job.folder, parts.head)
    explain.bytes, head.bytes = (size_of(job.folder / one.name) for one in (explain, head))
    explain.few = load_late(partial(explained_runner, explaining, parts.head))
    return [export, explain, head]


def _saved_model(job: ExportJob) -> list[Export]:
    export = Export(FILES["saved_model"], "saved_model")
    with export.timed(), job.converting(export.name):
        path = write_saved_model(job.folder, job.model, job.version.fit)
    export.bytes = size_of(path)
    run = saved_model_runner(path)
    export.every = lambda pictures: run(PIXELS, pictures.astype(np.float32))
    export.files = {
        BYTES: partial(run, BYTES),
        BASE64: lambda files: run(BASE64, [base64.b64encode(data) for data in files]),
    }
    return [export]


def _onnx(job: ExportJob) -> list[Export]:
    export, lacking = Export(FILES["onnx"], "onnx"), missing_packages()
    if lacking:
        export.left_out = f"the package {lacking[0]} is not installed (extra onnx)"
        return [export]
    with export.timed(), job.converting(export.name):
        path = write_onnx(job.folder, job.model)
    export.bytes = size_of(path)
    export.every = load_late(partial(onnx_runner, path))
    return [export]


def _prove(job: ExportJob, exports: Sequence[Export]) -> None:
    """Compare float exports with the model on every picture that can be read, then on a few."""
    runners = {one.name: one.every for one in exports if one.every is not None}
    if job.reference is None:
        runners[""] = forward(job.model)
    answers, read = job.run(runners, job.examples, "proving exports")
    require_some(read, job.examples)
    reference = answers[""] if job.reference is None else job.reference[read]
    for one in exports:
        if one.every is not None:
            one.parity[PIXELS] = compare(reference, answers[one.name])
            require_exact(one.name, one.parity[PIXELS], imported=job.imported)
    few = pick_evenly(range(len(read)), FEW)
    _prove_few(job, [job.examples[read[place]] for place in few], reference[few], exports)


def _prove_few(
    job: ExportJob,
    examples: Sequence[Example],
    reference: Probabilities,
    exports: Sequence[Export],
) -> None:
    """Compare on these pictures what takes whole files, and what explains."""
    runners = {one.name: one.few for one in exports if one.few is not None}
    answers, read = job.run(runners, examples, "proving the rest")
    require_some(read, examples)
    reference = reference[read]
    files, opened = read_files([examples[place] for place in read])
    for one in exports:
        for name, run in one.files.items():
            one.parity[name] = compare(reference[opened], run(files))
        if one.few is not None:
            parity = one.parity[HEAD_FILE] = compare(reference, answers[one.name])
            if job.imported and not parity.exact:
                _leave_out_explanation(job, one, parity.largest)
                continue
        for name, parity in one.parity.items():
            require_exact(f"{one.name} ({name})", parity, imported=job.imported)


def _leave_out_explanation(job: ExportJob, export: Export, largest: float) -> None:
    export.left_out = f"its answers are up to {largest:.2g} off"
    for name in (EXPLAIN_FILE, HEAD_FILE):
        (job.folder / name).unlink()


def _shrink(job: ExportJob, kind: str) -> tuple[Export, bytes]:
    """Make an export of fewer bits, which is not written yet; b"" says that it is left out."""
    export, judged = Export(FILES[kind], kind), len(job.version.splits["val"])
    if kind == "int8" and judged < FEWEST:
        export.left_out = f"{judged} validation pictures cannot show half a point; {FEWEST} can"
        return export, b""
    with export.timed():
        graph = trace(job.model, [job.model.output])
        calibration = calibration_pictures(job.version) if kind == "int8" else None
        return export, job.pack(convert(graph, kind, calibration), 0)


def _judge(job: ExportJob, files: Mapping[Export, bytes]) -> None:
    """Measure files of fewer bits, never on test pictures; write those that lose little enough."""
    if not files:
        return
    split, examples = judged_examples(job.version)
    runners = {export.name: litert_runner(data) for export, data in files.items()}
    runners[""] = forward(job.model)
    answers, read = job.run(runners, examples, "judging fewer bits")
    reference, labels = answers[""], labels_of(examples)[read]
    for export, data in files.items():
        export.parity["judged"] = compare(reference, answers[export.name])
        gate = judge_fewer_bits(export.kind, reference, answers[export.name], labels, split)
        export.gate = gate
        pictures = f"{gate.pictures} {SPLIT_WORDS[split]} pictures"
        if gate.passed:
            write_file(job.folder / export.name, data)
            export.bytes = len(data)
        elif not examples:
            export.left_out = "there is neither a validation nor a training picture to judge by"
        elif gate.allowed is None:
            export.left_out = f"{pictures} cannot judge it"
        else:
            export.left_out = f"{gate.lost} of {pictures} are lost"


def left_out(exports: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return export -> why it is not in the bundle, of what `Export.as_json` gave by name."""
    return {name: str(one["left_out"]) for name, one in exports.items() if "left_out" in one}


def write_exports(
    folder: Path,
    model: Any,  # noqa: ANN401  Keras has no types
    setup: Setup,
    answers: Answers,
    *,
    name: str,
) -> list[Export]:
    """Write and prove every export that was requested; model.keras is there, with its answers.

    Raises DamagedDataError when a float export answers otherwise than the model, OSError when the
    disk is full.
    """
    # Test pictures that cannot be read are named elsewhere; the others prove the exports.
    untested = replace(setup.version, splits={**setup.version.splits, "test": ()})
    job = ExportJob(
        folder,
        model,
        anatomy(model),
        setup.version,
        setup.bars,
        name,
        answers.examples or proof_examples(untested),
        answers.probabilities if answers.examples else None,
        setup.say,
    )
    keras = Export(KERAS_NAME, "keras", bytes=size_of(folder / KERAS_NAME))
    kinds = [kind for kind in _WRITTEN if kind in setup.settings.exports]
    exports = [keras, *export_all(job, kinds)]
    for one in exports:
        if (folder / one.name).is_file():
            one.sha256 = file_sha256(folder / one.name)
    return exports


def write_keras(folder: Path, model: Any) -> Path:  # noqa: ANN401
    """Write model.keras: pictures float32[N, size, size, 3] in 0..255 -> probabilities.

    Without the head's optimiser, whose moments are twice the size of the head.
    """
    for layer in model.layers:
        if getattr(layer, "optimizer", None) is not None:
            layer.optimizer, layer.compiled = None, False
    path = folder / KERAS_NAME
    with native_work():
        model.save(path)
    return path


def write_interface(folder: Path, names: Sequence[str], size: int, fit: Fit) -> None:
    """Write class_names.txt, .json and .csv (header `keys`), in the order of labels, and preprocess.json.

    The latter says what whoever runs the model has to do to a picture first.
    """
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([["keys"], *([name] for name in names)])
    write_file(folder / "class_names.txt", "".join(f"{name}\n" for name in names).encode())
    write_json(folder / "class_names.json", list(names))
    write_file(folder / "class_names.csv", rows.getvalue().encode())
    write_json(
        folder / "preprocess.json",
        {
            "size": size,
            "fit": fit,
            "resample": "bicubic, antialiased",
            "orientation": "as the picture's EXIF says",
            "colour": "RGB",
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
            "pad_colour": list(PAD_COLOUR),
            "normalisation": "inside the model",
            "input": "image",
            "output": "probabilities",
            "signatures": INPUTS,
        },
    )


def write_record(folder: Path, facts: Mapping[str, object]) -> None:
    """Write bundle.json: the facts, and the SHA-256 of every other file. Write it last."""
    record = {"format": FORMAT, **facts, "files": hash_files(folder, without=BUNDLE_NAME)}
    write_json(folder / BUNDLE_NAME, record)


def write_json(path: Path, value: object) -> None:
    """Write readable JSON, UTF-8."""
    write_file(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
