"""Pictures that are lost after they were measured cost no bundle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.training_exports import exported_network

from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.progress import Bars, Stopwatch
from training.bundle import mirrored_average
from training.data.version import Version, picture_batches, read_version
from training.evaluation.predict import Answers
from training.exports.explain import anatomy
from training.exports.exporter import ExportJob, export_all
from training.exports.parity import (
    Pictures,
    Rows,
    calibration_pictures,
    proof_examples,
    read_files,
)
from training.models.inference import forward
from training.recipes.context import Setup
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def version(publish: Callable[..., Path]) -> Version:
    counts = {"train": 3, "val": 3, "test": 3}
    return read_version(Dataset(publish({"Disc": counts, "Stripes": counts})))


def colours(pictures: Pictures) -> Rows:
    """Stand in for a model: mean colours."""
    return pictures.mean(axis=(1, 2)).astype(np.float32)


def test_pictures_that_were_lost_are_set_aside_with_their_places(version: Version) -> None:
    examples = version.splits["test"]
    examples[1].path.unlink()
    examples[4].path.write_bytes(b"no picture")
    job = ExportJob(Path(), None, None, version, Bars(None), "drawn", examples)
    found, read = job.run({"a": colours}, examples, "x")
    kept = [examples[place].path for place in read]
    assert read == [0, 2, 3, 5]
    assert np.array_equal(
        found["a"], colours(np.concatenate(list(picture_batches(kept, version.size))))
    )
    files, opened = read_files(examples)
    assert opened == [0, 2, 3, 4, 5]
    assert files[3] == b"no picture"


def test_nothing_is_proved_when_all_pictures_are_lost(version: Version, tmp_path: Path) -> None:
    for split in ("test", "train"):
        for path in version.paths(split):  # type: ignore[arg-type]
            path.unlink()
    examples = proof_examples(version)
    model = exported_network()
    job = ExportJob(tmp_path, model, anatomy(model), version, Bars(None), "drawn", examples)
    none_left = "none of 6 published pictures can be read any more"
    with pytest.raises(DamagedDataError, match=none_left):
        export_all(job, ("litert",))
    with pytest.raises(DamagedDataError, match=none_left):
        read_files(examples)
    with pytest.raises(DamagedDataError, match=none_left):
        list(calibration_pictures(version)())


def test_training_pictures_that_were_lost_calibrate_nothing(version: Version) -> None:
    version.paths("train")[0].unlink()
    assert len(list(calibration_pictures(version)())) == 5


def test_exports_are_proved_and_judged_on_the_pictures_that_are_left(
    version: Version, tmp_path: Path
) -> None:
    model, lines = exported_network(), list[str]()
    answers = forward(model)(
        np.concatenate(list(picture_batches(version.paths("test"), version.size)))
    )
    job = ExportJob(
        tmp_path, model, anatomy(model), version, Bars(None), "drawn", proof_examples(version),
        answers, lines.append,
    )  # fmt: skip
    for split in ("test", "val"):
        version.paths(split)[0].unlink()  # type: ignore[arg-type]
    made = {one.name: one for one in export_all(job, ("litert", "fp16"))}
    assert made["model.tflite"].parity["serving_default"].pictures == 5
    assert made["explain.tflite"].parity["head.npz"].pictures == 5
    gate = made["model_fp16.tflite"].gate
    assert gate is not None
    assert (gate.split, gate.pictures) == ("val", 5)
    assert [line.split(":")[0] for line in lines] == ["proving exports", "judging fewer bits"]


def test_no_file_of_fewer_bits_is_kept_without_a_picture_to_judge_by(
    version: Version, tmp_path: Path
) -> None:
    for path in version.paths("val"):
        path.unlink()
    examples = proof_examples(version)
    job = ExportJob(tmp_path, exported_network(), None, version, Bars(None), "drawn", examples)
    (export,) = export_all(job, ("fp16",))
    assert export.left_out == "0 validation pictures cannot judge it"
    assert list(tmp_path.iterdir()) == []


def test_the_mirrored_figures_are_those_of_the_pictures_that_are_left(version: Version) -> None:
    model, examples = exported_network(), version.splits["test"]
    rows = forward(model)(
        np.concatenate(list(picture_batches(version.paths("test"), version.size)))
    ).astype(np.float64)

    setup = Setup(TrainSettings(), version, None, Bars(None), Stopwatch())

    def measured(places: list[int]) -> dict[str, object]:
        chosen = tuple(examples[place] for place in places)
        return mirrored_average(model, setup, Answers(rows[places], chosen, {}))

    expected = measured([0, 1, 3, 4, 5])
    examples[2].path.unlink()
    assert measured(list(range(6))) == expected
