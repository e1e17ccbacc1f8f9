"""Write a bundle's files, every export that was asked for among them, each proved before it may stay."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.atomic import write_file
from sceneset.bundle.reader import BUNDLE_NAME, FORMAT
from sceneset.checksums import file_sha256, hash_files
from sceneset.images import PAD_COLOUR, Fit
from sceneset.manifest.rows import Split
from sceneset.progress import Bars
from training.data.version import Example, Version, labels_of
from training.evaluation.predict import Answers
from training.exports import proof
from training.exports.explain import anatomy, write_head
from training.exports.formats import Export, size_of, timed
from training.exports.litert import convert_float, convert_half, convert_int8, trace
from training.exports.onnx import write_onnx
from training.exports.proof import (
    FEWEST,
    FilesRunner,
    Gate,
    Probabilities,
    Rows,
    Runner,
    SavedModel,
    compare,
    explained_runner,
    half_gate,
    int8_gate,
    litert_runner,
    onnx_runner,
    proof_examples,
    require_exact,
)
from training.exports.saved_model import (
    BASE64,
    BYTES,
    INPUTS,
    PIXELS,
    native_work,
    write_saved_model,
)
from training.exports.tflite_metadata import Packer, classifier_packer, explain_file
from training.models.inference import forward
from training.recipes.context import Setup
from training.settings import EXPLAIN_FILE, FILES, HEAD_FILE, missing_packages


def _silent(_line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Source:
    """What is exported where: `model` maps pictures float32[N, size, size, 3] to probabilities.

    `reference` are its answers on the `examples` of the proof, float[N, classes]; None before they
    are known.
    """

    folder: Path
    model: Any
    version: Version
    bars: Bars
    name: str
    examples: tuple[Example, ...]
    reference: Probabilities | None = None
    say: Callable[[str], None] = _silent

    @property
    def pack(self) -> Packer:
        """Return what makes a LiteRT file of a converted graph."""
        return classifier_packer(self.name, self.version.size, self.version.class_names)

    def run(
        self, runners: Mapping[str, Runner], examples: Sequence[Example], name: str
    ) -> tuple[dict[str, Rows], list[int]]:
        """Return each runner's answers and the places of the examples that could be read."""
        bar = self.bars.add(name, total=len(examples))
        found, read = proof.run_all(runners, self.version, examples, bar)
        if len(read) < len(examples):
            self.say(f"{name}: {len(examples) - len(read)} pictures cannot be read any more")
        return found, read


@dataclass(frozen=True)
class Float32:
    """A float export and what runs it: on every picture of the proof, on a few, on a few files."""

    export: Export
    every: Runner | None = None
    few: Runner | None = None
    files: tuple[tuple[str, FilesRunner], ...] = ()


@dataclass(frozen=True)
class Small:
    """An export of fewer bits that is not written yet, and the gate it has to pass."""

    export: Export
    gate: Callable[[Probabilities, Probabilities, NDArray[np.int64]], Gate]
    data: bytes


def export_all(source: Source, kinds: Sequence[str]) -> list[Export]:
    """Write these kinds of exports but model.keras, which is there; return what became of each.

    Raises DamagedDataError when a float export answers otherwise than the model. One with fewer
    bits that loses too much, and ONNX without its packages, are left out and say why.
    """
    writers = {"litert": _litert, "saved_model": _saved_model, "onnx": _onnx}
    made = [one for kind, write in writers.items() if kind in kinds for one in write(source)]
    _prove_few(*_prove_every(source, made), made)
    smaller = [shrink(source) for kind, shrink in _SMALLER.items() if kind in kinds]
    _judge(source, [one for one in smaller if one.data])
    return [*(one.export for one in made), *(one.export for one in smaller)]


def _litert(source: Source) -> list[Float32]:
    """Write model.tflite, explain.tflite and head.npz from one conversion."""
    export = Export(FILES["litert"], "litert")
    explain, head = Export(EXPLAIN_FILE, "explain"), Export(HEAD_FILE, "explain")
    with timed(export):
        parts = anatomy(source.model)
        outputs = [parts.feature_map, parts.pooled, parts.probabilities]
        converted = convert_float(trace(source.model, outputs))
        data = source.pack(converted, len(outputs) - 1)
        write_file(source.folder / export.name, data)
    with timed(explain):
        explaining = explain_file(converted)
        write_file(source.folder / explain.name, explaining)
        write_head(source.folder, parts.head)
    for one in (export, explain, head):
        one.bytes = size_of(source.folder / one.name)
    explained = explained_runner(explaining, parts.head)
    return [
        Float32(export, litert_runner(data)),
        Float32(explain, few=explained),
        Float32(head),
    ]


def _saved_model(source: Source) -> list[Float32]:
    export = Export(FILES["saved_model"], "saved_model")
    with timed(export):
        path = write_saved_model(source.folder, source.model, source.version.fit)
    export.bytes = size_of(path)
    loaded = SavedModel(path)
    texts = ((BYTES, False), (BASE64, True))
    files = tuple((name, partial(loaded.files, as_text=as_text)) for name, as_text in texts)
    return [Float32(export, loaded.pixels, files=files)]


def _onnx(source: Source) -> list[Float32]:
    export, lacking = Export(FILES["onnx"], "onnx"), missing_packages()
    if lacking:
        export.left_out = f"the package {lacking[0]} is not installed (extra onnx)"
        return [Float32(export)]
    with timed(export):
        path = write_onnx(source.folder, source.model)
    export.bytes = size_of(path)
    return [Float32(export, onnx_runner(path))]


def _prove_every(source: Source, made: Sequence[Float32]) -> tuple[Source, Probabilities]:
    """Compare float exports with the model on every picture.

    Returns the source with the examples that could be read, and the model's probabilities of them.
    """
    runners = {one.export.name: one.every for one in made if one.every is not None}
    if source.reference is None:
        runners[""] = forward(source.model)
    found, read = source.run(runners, source.examples, "proving exports")
    proof.require_some(read, source.examples)
    reference = found[""] if source.reference is None else source.reference[read]
    for one in made:
        if one.every is not None:
            one.export.parity[PIXELS] = compare(reference, found[one.export.name])
            require_exact(one.export.name, one.export.parity[PIXELS])
    return replace(source, examples=tuple(source.examples[place] for place in read)), reference


def _prove_few(source: Source, every: Probabilities, made: Sequence[Float32]) -> None:
    """Compare on a few pictures what takes whole files, and what explains."""
    places = proof.spread(range(len(source.examples)), proof.FILES)
    examples, reference = [source.examples[place] for place in places], every[places]
    runners = {one.export.name: one.few for one in made if one.few is not None}
    found, read = source.run(runners, examples, "proving the rest")
    proof.require_some(read, examples)
    reference = reference[read]
    files, opened = proof.read_files([examples[place] for place in read])
    for one in made:
        if one.few is not None:
            one.export.parity["head.npz"] = compare(reference, found[one.export.name])
        for name, run in one.files:
            one.export.parity[name] = compare(reference[opened], run(files))
        for name, parity in one.export.parity.items():
            require_exact(f"{one.export.name} ({name})", parity)


def _half(source: Source) -> Small:
    """Make model_fp16.tflite."""
    export = Export(FILES["fp16"], "fp16")
    with timed(export):
        graph = trace(source.model, [source.model.output])
        return Small(export, half_gate, source.pack(convert_half(graph), 0))


def _int8(source: Source) -> Small:
    """Make model_int8.tflite, unless there are too few pictures to judge it."""
    export, judged = Export(FILES["int8"], "int8"), len(source.version.splits["val"])
    if judged < FEWEST:
        export.left_out = f"{judged} validation pictures cannot show half a point; {FEWEST} can"
        return Small(export, int8_gate, b"")
    with timed(export):
        graph = trace(source.model, [source.model.output])
        calibration = proof.calibration_pictures(source.version)
        return Small(export, int8_gate, source.pack(convert_int8(graph, calibration), 0))


_SMALLER = {"fp16": _half, "int8": _int8}
_PICTURES: Mapping[Split, str] = {"train": "training", "val": "validation", "test": "test"}


def _judge(source: Source, smaller: Sequence[Small]) -> None:
    """Measure files of fewer bits, never on test pictures; write those that lose little enough."""
    if not smaller:
        return
    split, examples = proof.judged_examples(source.version)
    runners = {one.export.name: litert_runner(one.data) for one in smaller}
    runners[""] = forward(source.model)
    found, read = source.run(runners, examples, "judging fewer bits")
    labels = labels_of(examples)[read]
    for one in smaller:
        export, answers = one.export, found[one.export.name]
        export.parity["judged"] = compare(found[""], answers)
        gate = replace(one.gate(found[""], answers, labels), split=split)
        export.gate = gate
        if not gate.passed:
            export.left_out = f"{gate.lost} of {gate.pictures} {_PICTURES[split]} pictures are lost"
            if gate.allowed is None:
                export.left_out = f"{gate.pictures} {_PICTURES[split]} pictures cannot judge it"
            if not examples:
                export.left_out = "there is neither a validation nor a training picture to judge by"
            continue
        write_file(source.folder / export.name, one.data)
        export.bytes = len(one.data)


KERAS_NAME = FILES["keras"]


def write_exports(
    folder: Path,
    model: Any,  # noqa: ANN401  Keras has no types
    setup: Setup,
    answers: Answers,
    *,
    name: str,
) -> list[Export]:
    """Write and prove every export that was asked for; model.keras is there, with its answers.

    Raises DamagedDataError when a float export answers otherwise than the model, OSError when the
    disk is full.
    """
    # Test pictures that cannot be read are named elsewhere; the others prove the exports.
    untested = replace(setup.version, splits={**setup.version.splits, "test": ()})
    examples = answers.examples or proof_examples(untested)
    measured = answers.probabilities if answers.examples else None
    source = Source(folder, model, setup.version, setup.bars, name, examples, measured, setup.say)
    keras = Export(KERAS_NAME, "keras", bytes=size_of(folder / KERAS_NAME))
    exports = [keras, *export_all(source, setup.settings.exports)]
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


def write_class_names(folder: Path, names: Sequence[str]) -> None:
    """Write class_names.txt, .json and .csv (one column, header `keys`), in the order of labels."""
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([["keys"], *([name] for name in names)])
    write_file(folder / "class_names.txt", "".join(f"{name}\n" for name in names).encode())
    write_json(folder / "class_names.json", list(names))
    write_file(folder / "class_names.csv", rows.getvalue().encode())


def write_preprocess(folder: Path, size: int, fit: Fit) -> None:
    """Write what whoever runs the model has to do to a picture first."""
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
