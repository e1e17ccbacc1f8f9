"""Kill trainings after an epoch and go on with them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sceneset.dataset import Dataset
from sceneset.errors import SettingsError, UsageError
from sceneset.progress import Bars, Stopwatch
from training.commands.train import train
from training.data.version import read_version
from training.loop.history import (
    FOLDER,
    Checkpoint,
    Epochs,
    State,
    begin_run,
    interrupted_run,
)
from training.models.backend import load_backend
from training.recipes.context import Setup, Trained, read_start
from training.recipes.from_pictures import original, scratch
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
ROOT = Path(__file__).resolve().parents[3]


class KilledError(Exception):
    """Stands in for SIGKILL."""


class DyingCheckpoint(Checkpoint):
    """Save the first epoch, then die."""

    def save(self, state: State) -> None:
        super().save(state)
        raise KilledError


class Dying(Setup):
    """The start of a run that dies after its first epoch."""

    def epochs(self, phase: str, count: int, **options: Any) -> Epochs:  # noqa: ANN401  Epochs' own
        made = super().epochs(phase, count, **options)
        return replace(made, checkpoint=DyingCheckpoint(made.checkpoint.path))


def run(
    recipe: Callable[[Setup], Trained],
    drawn: Path,
    folder: Path | None = None,
    kind: type[Setup] = Setup,
) -> Trained:
    load_backend().keras.utils.set_random_seed(1)
    settings = TrainSettings(dataset=drawn, backbone="small", epochs=3, batch_size=48)
    version = read_version(Dataset(drawn))
    return recipe(kind(settings, version, None, Bars(None), Stopwatch(), folder))


@pytest.mark.parametrize("recipe", [scratch, pytest.param(original, marks=pytest.mark.slow)])
def test_a_run_that_was_killed_ends_like_an_undisturbed_one(
    recipe: Callable[[Setup], Trained], drawn: Path, tmp_path: Path
) -> None:
    whole = run(recipe, drawn)
    folder = begin_run(tmp_path, {})
    with pytest.raises(KilledError):
        run(recipe, drawn, folder, Dying)
    again = run(recipe, drawn, folder)
    assert len(again.epochs.curves) == 3
    for a, b in zip(whole.network.get_weights(), again.network.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)
    assert np.allclose(whole.val_logits, again.val_logits, atol=1e-5)


def test_what_is_published_leaves_no_checkpoint_and_can_be_started_from(
    drawn: Path, tmp_path: Path, publish: Callable[..., Path]
) -> None:
    out = tmp_path / "m"
    settings = TrainSettings(dataset=drawn, out=out, backbone="small", epochs=1, export="keras")
    train(settings=settings)
    assert interrupted_run(out) is None
    assert not (out / FOLDER).exists()
    said: list[str] = []
    names = ("Disc", "Stripes", "Zebra")
    version = read_version(Dataset(drawn))
    starting = replace(settings, from_bundle=out)
    start = read_start(starting, replace(version, class_names=names), said.append)
    assert start is not None
    mine = version.id
    assert not start.may_know(mine)
    assert read_start(settings, version, said.append) is None
    assert start.may_know("f" * 64)
    assert start.as_json("f" * 64)["may_know_test_pictures"] is True
    assert replace(start, inherited=True).may_know(mine)
    assert start.saw_labels
    assert [line.split(" since ")[0] for line in said] == ["new", "gone"]
    root = publish({"Disc": {"train": 4}, "Stripes": {"train": 4}, "Zebra": {"val": 0}}, names)
    setup = Setup(settings, read_version(Dataset(root)), None, Bars(None), Stopwatch(), start=start)
    base = setup.trunk(multi_scale=False).base
    nested = next(one for one in start.model.layers if one.name == "small")
    assert all(map(np.array_equal, base.get_weights(), nested.get_weights()))
    keras = load_backend().keras
    head = keras.Sequential([keras.Input((128,)), keras.layers.Dense(3)])
    assert start.put_head(head, names)
    old = start.model.get_layer("head").layers[-1].get_weights()[0] * start.temperature
    new = head.layers[-1].get_weights()[0]
    assert np.allclose(new[:, :2], old[:, [0, 2]])
    assert not np.allclose(new[:, 2], old[:, 1])
    assert not start.put_head(keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]), names)
    with pytest.raises(SettingsError, match="is a model of small, not of mobilenet_v2"):
        read_start(replace(starting, backbone="mobilenet_v2"), version, said.append)
    with pytest.raises(SettingsError, match="knows none of the classes"):
        read_start(starting, replace(version, class_names=("Other",)), said.append)


def test_other_settings_than_the_interrupted_runs_are_refused(drawn: Path, tmp_path: Path) -> None:
    settings = TrainSettings(dataset=drawn, out=tmp_path / "m", backbone="small", resume=True)
    begin_run(tmp_path / "m", {"seed": 7})
    with pytest.raises(UsageError, match="the interrupted run in") as caught:
        train(settings=replace(settings, seed=8))
    assert caught.value.exit_code == 2
    assert interrupted_run(tmp_path / "m") == {"seed": 7}


@pytest.mark.slow
def test_a_training_killed_by_the_system_goes_on_from_its_last_epoch(
    drawn: Path, tmp_path: Path
) -> None:
    words = f"train --dataset {drawn} --backbone small --epochs 8 --batch-size 4 --export keras"
    results = []
    for name, kill in (("whole", False), ("killed", True)):
        out = tmp_path / name
        command = [sys.executable, str(ROOT / "cli.py"), *words.split(), "--out", str(out)]
        if kill:
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            while not (out / FOLDER / "scratch.npz").exists():
                assert process.poll() is None
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert not (out / "current").exists()
            command.append("--resume")
        subprocess.run(command, check=True, capture_output=True)
        model = load_backend().keras.saving.load_model(out / "current" / "model.keras")
        results.append(model.get_weights())
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(*results, strict=True))
