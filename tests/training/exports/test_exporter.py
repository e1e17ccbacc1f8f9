"""Every export of a network, written and run on the runtime it is for."""

import base64
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.training_exports import exported_network

from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError, MissingExtraError, SettingsError
from sceneset.progress import Bars
from training.data.version import picture_batches, read_version
from training.exports.explain import anatomy
from training.exports.exporter import ExportJob, export_all
from training.exports.onnx import write_onnx
from training.exports.parity import (
    Export,
    compare,
    litert_runner,
    onnx_runner,
    proof_examples,
    saved_model_runner,
)
from training.models.backend import load_backend
from training.models.inference import forward
from training.settings import FILES, missing_packages, parse_exports

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
KINDS = ("keras", "saved_model", "litert", "fp16", "int8")


@pytest.fixture(scope="module")
def job(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportJob:
    """Return a network with two taps and the drawn pictures to prove its exports on."""
    version = read_version(Dataset(drawn))
    folder = tmp_path_factory.mktemp("exports")
    examples = proof_examples(version)
    model = exported_network(taps=2)
    return ExportJob(folder, model, anatomy(model), version, Bars(None), "drawn 1", examples)


@pytest.fixture(scope="module")
def exports(job: ExportJob) -> dict[str, Export]:
    return {one.name: one for one in export_all(job, KINDS)}


@pytest.fixture(scope="module")
def pictures(job: ExportJob) -> np.ndarray[Any, np.dtype[np.uint8]]:
    paths = [one.path for one in job.examples]
    return np.concatenate(list(picture_batches(paths, job.version.size)))


def test_float_exports_answer_as_the_model_on_every_test_picture(
    exports: dict[str, Export],
) -> None:
    for name in ("model.tflite", "saved_model"):
        parity = exports[name].parity["serving_default"]
        assert parity.pictures == 24
        assert parity.largest < 1e-5
        assert parity.other_top1 == 0


def test_the_files_of_the_bundle_are_there_with_their_sizes(
    job: ExportJob, exports: dict[str, Export]
) -> None:
    for name in ("model.tflite", "explain.tflite", "head.npz", "model_fp16.tflite"):
        assert exports[name].bytes == (job.folder / name).stat().st_size
    assert (job.folder / "saved_model" / "1" / "saved_model.pb").is_file()
    assert exports["model_fp16.tflite"].bytes < exports["model.tflite"].bytes


def test_too_few_validation_pictures_leave_int8_out_and_say_so(
    job: ExportJob, exports: dict[str, Export]
) -> None:
    assert "36 validation pictures" in exports["model_int8.tflite"].left_out
    assert not (job.folder / "model_int8.tflite").exists()


def test_the_saved_model_reads_files_and_standard_base64(
    job: ExportJob, pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    run = saved_model_runner(job.folder / "saved_model" / "1")
    expected = forward(job.model)(pictures[:6])
    files = [one.path.read_bytes() for one in job.examples[:6]]
    texts = [base64.b64encode(data) for data in files]
    for signature, batch in (("bytes", files), ("base64", texts)):
        assert np.abs(run(signature, batch) - expected).max() < 1e-6


def test_the_litert_model_names_its_tensors_and_carries_its_labels(job: ExportJob) -> None:
    path = job.folder / "model.tflite"
    interpreter = Interpreter(model_path=str(path))
    signature = interpreter.get_signature_runner("serving_default")
    found = signature(image=np.zeros((1, 32, 32, 3), np.float32))
    assert found["probabilities"].shape == (1, 3)
    assert len(interpreter.get_output_details()) == 1
    with zipfile.ZipFile(path) as archive:
        labels = archive.read("labels.txt").decode().splitlines()
    assert tuple(labels) == job.version.class_names


def test_an_export_that_answers_otherwise_stops_the_bundle(job: ExportJob, tmp_path: Path) -> None:
    wrong = np.full((24, 3), 1 / 3)
    with pytest.raises(DamagedDataError, match=r"model\.tflite does not answer as the trained"):
        export_all(replace(job, folder=tmp_path, reference=wrong), ("litert",))


def test_int8_is_kept_when_the_pictures_show_that_it_loses_nothing(
    job: ExportJob, tmp_path: Path, pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    splits = {**job.version.splits, "val": job.version.splits["train"] * 2}
    judged = replace(job, folder=tmp_path, version=replace(job.version, splits=splits))
    (export,) = (one for one in export_all(judged, ("int8",)) if one.kind == "int8")
    assert export.gate is not None
    assert export.gate.pictures == 360
    assert export.gate.passed == (tmp_path / "model_int8.tflite").is_file()
    assert export.gate.passed == (export.gate.lost <= 1)
    if export.gate.passed:
        answers = litert_runner((tmp_path / "model_int8.tflite").read_bytes())(pictures)
        # The softmax runs in float: sums are exact, which multiples of 1/256 are not.
        assert np.abs(answers.sum(axis=1) - 1).max() < 1e-6


def test_without_validation_pictures_training_pictures_decide_and_never_test_pictures(
    job: ExportJob, tmp_path: Path
) -> None:
    splits = {**job.version.splits, "val": ()}
    bare = replace(job, folder=tmp_path, version=replace(job.version, splits=splits))
    (export,) = (one for one in export_all(bare, ("fp16",)) if one.kind == "fp16")
    assert export.gate is not None
    assert (export.gate.split, export.gate.pictures) == ("train", 180)
    nothing = replace(
        bare,
        folder=tmp_path / "none",
        version=replace(job.version, splits={**splits, "train": ()}),
    )
    (export,) = (one for one in export_all(nothing, ("fp16",)) if one.kind == "fp16")
    assert "neither a validation nor a training picture" in export.left_out
    assert (tmp_path / "model_fp16.tflite").is_file()
    assert not (tmp_path / "none").exists()


def test_words_for_exports_are_checked() -> None:
    assert parse_exports("int8") == ("keras", "litert", "int8")
    assert parse_exports(" all ") == tuple(FILES)
    with pytest.raises(SettingsError, match="'coreml' is no kind"):
        parse_exports("keras,coreml")


@pytest.mark.skipif(not missing_packages(), reason="the extra onnx is installed")
def test_onnx_without_its_packages_is_left_out_unless_it_was_named(
    job: ExportJob, tmp_path: Path
) -> None:
    with pytest.raises(MissingExtraError, match="--export onnx needs the package"):
        parse_exports("onnx")
    (export,) = export_all(replace(job, folder=tmp_path), ("onnx",))
    assert "is not installed" in export.left_out


@pytest.mark.skipif(bool(missing_packages()), reason="needs the extra onnx")
def test_onnx_answers_as_the_model(job: ExportJob, tmp_path: Path) -> None:
    (export,) = export_all(replace(job, folder=tmp_path), ("onnx",))
    assert export.parity["serving_default"].exact
    assert export.bytes == (tmp_path / "model.onnx").stat().st_size


@pytest.mark.skipif(bool(missing_packages()), reason="needs the extra onnx")
def test_onnx_takes_constants_of_normalization_grouped_convolutions_and_the_exact_gelu(
    tmp_path: Path, pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    keras = load_backend().keras
    kinds = keras.layers
    answer = image = keras.Input((32, 32, 3), name="image")
    for layer in (
        kinds.Normalization(mean=[120.0, 110.0, 100.0], variance=[60.0**2] * 3),
        kinds.Conv2D(6, 3, groups=3),
        kinds.Activation(partial(keras.activations.gelu, approximate=False)),
        kinds.GlobalAveragePooling2D(),
        kinds.Dense(3, activation="softmax"),
    ):
        answer = layer(answer)
    model = keras.Model(image, answer)
    answers = onnx_runner(write_onnx(tmp_path, model))(pictures)
    assert compare(forward(model)(pictures), answers).exact
