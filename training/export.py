"""Write a bundle's files: models, class names, preprocessing, record."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.bundle import BUNDLE_NAME, FORMAT
from pipeline.checksums import hash_files
from pipeline.durable import write_file
from pipeline.errors import InterruptedRunError
from pipeline.native_output import STDERR, STDOUT, without_native_chatter
from pipeline.pictures import Fit
from pipeline.signals import stop_on_request
from training.backend import load_backend

KERAS_NAME = "model.keras"
TFLITE_NAME = "model.tflite"


def write_keras(folder: Path, model: Any) -> Path:  # noqa: ANN401  Keras has no types
    """Write model.keras: pictures float32[N, size, size, 3] in 0..255 -> probabilities."""
    path = folder / KERAS_NAME
    model.save(path)
    return path


def write_tflite(folder: Path, model: Any) -> Path:  # noqa: ANN401
    """Write model.tflite, float32: the same network for LiteRT, to about 1e-6 the same answers.

    A signal waits until the conversion ends: the converter would take it for an error of its own.
    """
    tf = load_backend().tf
    with stop_on_request() as stop, without_native_chatter(STDOUT, STDERR):
        data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    if stop.signal_number is not None:
        raise InterruptedRunError(stop.signal_number)
    path = folder / TFLITE_NAME
    write_file(path, data)
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
            "colour": "RGB",
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
            "normalisation": "inside the model",
            "output": "probabilities",
        },
    )


def write_record(folder: Path, facts: Mapping[str, object]) -> None:
    """Write bundle.json: the facts, and the SHA-256 of every other file. Write it last."""
    record = {"format": FORMAT, **facts, "files": hash_files(folder, without=BUNDLE_NAME)}
    write_json(folder / BUNDLE_NAME, record)


def write_json(path: Path, value: object) -> None:
    """Write readable JSON, UTF-8."""
    write_file(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
