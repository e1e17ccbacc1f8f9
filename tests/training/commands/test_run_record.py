"""What a run leaves behind beside its model, and what it leaves alone."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from training.commands.train import train
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    # Keras 3.15 under numpy 2 warns of itself whenever it reads a variable.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
Publish = Callable[..., Path]


@pytest.fixture(scope="module")
def settings(publish: Publish, tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    """Return the settings of a run from scratch on a data set with a picture up for review."""
    root = publish({"Disc": {"train": 4, "test": 1}, "Stripes": {"train": 4}})
    with sqlite3.connect(root / "manifest.db") as db:
        db.execute("INSERT INTO suspects VALUES (1, 1, 'aa', 'label', 0.9, NULL)")
    db.close()
    out = tmp_path_factory.mktemp("models") / "m"
    found = TrainSettings(dataset=root, out=out, backbone="small", epochs=1, mirrored_test=False)
    train(settings=found)
    return found


def metrics_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "current" / "metrics.json").read_text())
    return found


def test_a_run_without_embeddings_leaves_what_is_up_for_review(settings: TrainSettings) -> None:
    with Manifest(settings.dataset / "manifest.db") as manifest:
        assert [row.sha256 for row in manifest.suspects()] == ["aa"]


def test_the_record_names_folders_without_their_paths_and_every_phase(
    settings: TrainSettings,
) -> None:
    text = (settings.out / "current" / "metrics.json").read_text()
    assert str(settings.out.parent) not in text
    assert str(settings.dataset.parent) not in text
    found = metrics_of(settings.out)
    assert (found["settings"]["out"], found["settings"]["dataset"]) == ("m", "drawn")
    assert found["settings"]["weights"] == "none"
    assert found["started_from"] is None
    (phase,) = found["phases"]
    assert (phase["name"], phase["epochs"], phase["epochs_run"]) == ("scratch", 1, 1)
    assert phase["curves"] == found["curves"]


def test_a_start_from_another_version_is_told_everywhere(
    settings: TrainSettings, publish: Publish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = publish({"Disc": {"train": 3, "test": 2}, "Stripes": {"train": 3}})
    again = replace(settings, dataset=root, out=tmp_path / "n", from_bundle=settings.out)
    train(settings=again, output=Output())
    assert "another version of the data set" in capsys.readouterr().err
    told = metrics_of(again.out)["started_from"]
    assert told["may_know_test_pictures"] is True
    assert told["dataset_version"] == metrics_of(settings.out)["dataset_version"]
    card = (again.out / "current" / "model_card.md").read_text()
    assert "another version of the data set" in card
