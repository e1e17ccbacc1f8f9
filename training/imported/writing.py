"""Write an adopted model's exports, and prove each against what the model itself says."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.atomic import write_file
from sceneset.errors import DamagedDataError, library_errors
from sceneset.images import Fit, encode_png
from training.exports.explain import write_head
from training.exports.exporter import write_keras
from training.exports.formats import Export, size_of, timed
from training.exports.litert import convert_float, convert_large
from training.exports.onnx import write_onnx
from training.exports.proof import (
    TOLERANCE,
    Rows,
    Runner,
    SavedModel,
    compare,
    explained_runner,
    litert_runner,
    onnx_runner,
)
from training.exports.saved_model import BASE64, BYTES, PIXELS, write_saved_model
from training.exports.tflite_metadata import classifier_packer, explain_file
from training.imported.adopting import Adopted, answers
from training.imported.opening import describe_error
from training.settings import EXPLAIN_FILE, FILES, HEAD_FILE

KINDS = ("keras", "saved_model", "litert", "onnx")
DEFAULT_EXPORTS = "keras,saved_model,litert"
# Pictures that prove the formats, and those that prove a SavedModel's signatures of whole files.
PICTURES, FILES_PROVED = 16, 4
# Weights from which a conversion spares memory rather than time.
LARGE = 30_000_000
_COARSE = (1, 2, 5, 16)


@dataclass(frozen=True)
class Proof:
    """Drawn pictures uint8[N, size, size, 3], and what the model from elsewhere says of them."""

    pictures: NDArray[np.uint8]
    answers: Rows


@dataclass(frozen=True)
class Target:
    """Where a bundle is written, for which classes, and how its pictures become square."""

    folder: Path
    name: str
    class_names: tuple[str, ...]
    fit: Fit
    proof: Proof
    large: int = LARGE


def draw_pictures(size: int, count: int = PICTURES) -> NDArray[np.uint8]:
    """Draw uint8[count, size, size, 3]: colour fields from one shade to fine noise, always the same."""
    rng = np.random.default_rng(0)
    drawn = []
    for place in range(count):
        side = _COARSE[place % len(_COARSE)]
        field = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        image = Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC)
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def write_all(target: Target, model: Adopted, kinds: Sequence[str]) -> list[Export]:
    """Write these kinds of exports and prove each; return what became of them.

    Raises DamagedDataError when one answers otherwise than the model, SettingsError for a model
    that a format cannot hold.
    """
    _prove(target, partial(answers, model), Export(FILES["keras"], "keras"))
    writers = {"keras": _keras, "saved_model": _saved_model, "litert": _litert, "onnx": _onnx}
    return [one for kind in kinds for one in writers[kind](target, model)]


def _keras(target: Target, model: Adopted) -> list[Export]:
    export = Export(FILES["keras"], "keras")
    if model.network is None:
        export.left_out = "a SavedModel is a graph, which Keras cannot load as layers"
        return [export]
    with timed(export):
        export.bytes = size_of(write_keras(target.folder, model.network))
    return [export]


def _saved_model(target: Target, model: Adopted) -> list[Export]:
    export = Export(FILES["saved_model"], "saved_model")
    with timed(export), _library_errors(export.name):
        path = write_saved_model(target.folder, model, target.fit)
    export.bytes = size_of(path)
    loaded = SavedModel(path)
    _prove(target, loaded.pixels, export)
    few = replace(
        target,
        proof=Proof(target.proof.pictures[:FILES_PROVED], target.proof.answers[:FILES_PROVED]),
    )
    for signature in (BYTES, BASE64):
        answer = partial(_files, loaded, as_text=signature == BASE64)
        _prove(few, answer, export, of=signature)
    return [export]


def _files(loaded: SavedModel, pictures: NDArray[np.uint8], *, as_text: bool) -> Rows:
    data = [encode_png(Image.fromarray(picture)) for picture in pictures]
    return loaded.files(data, as_text=as_text)


def _litert(target: Target, model: Adopted) -> list[Export]:
    export, explain = Export(FILES["litert"], "litert"), Export(EXPLAIN_FILE, "explain")
    size = int(model.input.shape[1])
    parts = model.explained
    with timed(export), _library_errors(export.name):
        converted = _converted(target, model)
        pack = classifier_packer(target.name, size, target.class_names)
        data = pack(converted, 0 if parts is None else 2)
    write_file(target.folder / export.name, data)
    export.bytes = len(data)
    _prove(target, litert_runner(data), export)
    if parts is None:
        explain.left_out = "no global average followed by dense layers alone: Grad-CAM needs both"
        return [export, explain]
    head = Export(HEAD_FILE, "explain")
    with timed(explain):
        explaining = explain_file(converted)
        rows = explained_runner(explaining, parts.head)(target.proof.pictures)
    found = compare(target.proof.answers, rows)
    explain.parity[HEAD_FILE] = found
    if not found.exact:
        explain.left_out = f"its answers are up to {found.largest:.2g} off"
        return [export, explain]
    write_file(target.folder / explain.name, explaining)
    head.bytes = size_of(write_head(target.folder, parts.head))
    explain.bytes = len(explaining)
    return [export, explain, head]


def _converted(target: Target, model: Adopted) -> bytes:
    weights = sum(math.prod(one.value.shape) for one in model.variables)
    if weights > target.large:
        return convert_large(model.graph(), model.variables, target.folder)
    return convert_float(model.graph())


def _onnx(target: Target, model: Adopted) -> list[Export]:
    export = Export(FILES["onnx"], "onnx")
    if model.network is None:
        export.left_out = "a SavedModel cannot be written as ONNX here: convert its .keras file"
        return [export]
    with timed(export), _library_errors(export.name):
        path = write_onnx(target.folder, model.network)
    export.bytes = size_of(path)
    _prove(target, onnx_runner(path), export)
    return [export]


def _prove(target: Target, run: Runner, export: Export, *, of: str = PIXELS) -> None:
    """Compare an export with the model itself; the result stands in the export."""
    found = compare(target.proof.answers, run(target.proof.pictures))
    export.parity[of] = found
    if not found.exact:
        raise DamagedDataError(
            f"{export.name} ({of}) does not answer as the model: another top-1 on"
            f" {found.other_top1} of {found.pictures} drawn pictures, probabilities up to"
            f" {found.largest:.2g} apart ({TOLERANCE:g} allowed); nothing is written",
            cure="leave that format out of --export; layers that draw at random must not do so here",
        )


def _library_errors(name: str) -> AbstractContextManager[None]:
    """Turn what a converter cannot do into an error with a cure."""
    return library_errors(
        f"the model cannot be written as {name}",
        cure="use layers that every runtime has, and float32: half precision often is the cause",
        describe=describe_error,
    )
