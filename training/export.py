"""Write a bundle's files: models, class names, preprocessing, record."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.bundle import BUNDLE_NAME, FORMAT
from pipeline.checksums import file_sha256, hash_files
from pipeline.durable import write_file
from pipeline.pictures import PAD_COLOUR, Fit
from training.answers import Answers
from training.exports.build import Source, export_all
from training.exports.kinds import FILES
from training.exports.native import native_work
from training.exports.proof import proof_examples
from training.exports.saved_model import INPUTS
from training.exports.written import Export, size_of
from training.setup import Setup

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
