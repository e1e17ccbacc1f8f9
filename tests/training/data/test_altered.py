"""Test pictures that were altered since they were published are in no figure."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.training_exports import exported_network

from sceneset.bundle.reader import BUNDLE_NAME, FORMAT
from sceneset.checksums import hash_files, write_checksums
from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.progress import Bars, Stopwatch
from training.bundle import assess
from training.commands.evaluate import evaluate
from training.data.version import Version, read_version
from training.evaluation.calibration import Temperature
from training.exports.exporter import write_interface, write_json, write_keras
from training.recipes.context import Setup
from training.settings import EvaluateSettings, TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def version(publish: Callable[..., Path]) -> Version:
    """Return a version whose first test picture is another, and whose second is gone."""
    root = publish({"Disc": {"train": 1, "test": 3}, "Stripes": {"train": 1, "test": 2}})
    dataset = Dataset(root)
    write_checksums(dataset.current.resolve())
    found = read_version(dataset)
    first, second, third = found.paths("test")[:3]
    first.write_bytes(third.read_bytes())
    second.unlink()
    return found


def test_pictures_altered_while_the_training_ran_are_named_and_left_out(
    version: Version, tmp_path: Path
) -> None:
    root = version.folder.parents[2]
    setup = Setup(TrainSettings(dataset=root), version, None, Bars(None), Stopwatch())
    trained = SimpleNamespace(features=None, val_logits=np.empty((0, 3)))
    file = write_keras(tmp_path, exported_network())
    found, _ = assess(file, setup, trained, Temperature(1.0, 1.0, 0, None, None, "few"))  # type: ignore[arg-type]
    first, second = map(str, version.paths("test")[:2])
    assert set(found.answers.unreadable) == {first, second}
    assert found.answers.unreadable[first] == "is not the file that was published"
    assert len(found.answers.probabilities) == 3


def test_evaluate_refuses_a_split_that_was_altered(version: Version, tmp_path: Path) -> None:
    write_keras(tmp_path, exported_network())
    write_interface(tmp_path, version.class_names, version.size, version.fit)
    record = {"format": FORMAT, "files": hash_files(tmp_path, without=BUNDLE_NAME)}
    write_json(tmp_path / BUNDLE_NAME, record)
    settings = EvaluateSettings(model=tmp_path, dataset=version.folder.parents[2])
    with pytest.raises(DamagedDataError, match=version.paths("test")[0].name) as caught:
        evaluate(settings=settings)
    assert caught.value.exit_code == 5
