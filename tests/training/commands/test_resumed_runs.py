"""What is refused before pictures are read, and what a run that goes on may lack."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sceneset import cli
from sceneset.checksums import write_checksums
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import DamagedDataError, UsageError
from sceneset.manifest.rows import Split
from training.commands.train import check_start, describe_run
from training.data.version import Version, read_version
from training.loop.history import begin_run, interrupted_run, require_same
from training.recipes.hyperparameters import choose_hyperparameters
from training.settings import TrainSettings


@pytest.fixture
def version(publish: Callable[..., Path]) -> Version:
    """Return a version with SHA256SUMS, as curate writes it."""
    counts = {"train": 4, "val": 2, "test": 3}
    dataset = Dataset(publish({"Disc": counts, "Stripes": counts}))
    write_checksums(dataset.current.resolve())
    return read_version(dataset)


def settings_of(version: Version, out: Path) -> TrainSettings:
    root = version.folder.parents[2]
    return TrainSettings(dataset=root, out=out, backbone="small", epochs=1, export="keras")


def alter(version: Version, split: Split) -> Path:
    path = version.paths(split)[0]
    path.write_bytes(version.paths(split)[1].read_bytes())
    return path


@pytest.mark.parametrize("recipe", ["fast", "best", "original"])
def test_a_run_is_known_by_the_values_it_trains_with_not_by_what_was_left_out(
    version: Version, tmp_path: Path, recipe: str
) -> None:
    settings = replace(TrainSettings(), recipe=recipe)
    told = describe_run(settings, version, "")
    assert None not in told.values()
    assert asdict(choose_hyperparameters(settings, 8)).items() <= told.items()
    # Another release had other values of its own.
    before = told | {"epochs": 3}
    with pytest.raises(UsageError, match=f"had epochs 3, this one has {told['epochs']}"):
        require_same(tmp_path, told, before)
    require_same(tmp_path, describe_run(replace(settings, epochs=3), version, ""), before)


def test_a_run_goes_on_without_a_test_picture_but_not_without_another(
    version: Version, tmp_path: Path
) -> None:
    settings = settings_of(version, tmp_path)
    resuming = replace(settings, resume=True)
    lost = alter(version, "test")
    for one in (settings, resuming):
        with pytest.raises(DamagedDataError, match=lost.name):
            check_start(one, version)
    begin_run(tmp_path, describe_run(settings, version, ""))
    check_start(resuming, version)
    with pytest.raises(DamagedDataError, match=lost.name):
        check_start(settings, version)
    other = alter(version, "val")
    with pytest.raises(DamagedDataError, match=other.name):
        check_start(resuming, version)
    assert interrupted_run(tmp_path) is not None


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ("--from {dir}/none", "no bundle at {dir}/none", 2),
        ("--backbone mobilenet_v2 --weights {dir}/none.h5", "none.h5 is no file", 2),
        ("--backbone small", "is in use by another", 75),
        ("--backbone small --seed 8 --resume", "had seed 0, this one has 8", 2),
    ],
)
def test_what_is_known_to_fail_is_told_before_the_pictures_are_read(
    version: Version,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
    *,
    code: int,
) -> None:
    out = tmp_path / "m"
    settings = settings_of(version, out)
    begin_run(out, describe_run(settings, version, ""))
    alter(version, "train")
    holding = run_lock(out, "another") if "in use" in said else nullcontext()
    given = f"train --dataset {settings.dataset} --out {out} --epochs 1 {words}"
    with holding:
        assert cli.main(given.format(dir=tmp_path).split()) == code
    assert said.format(dir=tmp_path) in capsys.readouterr().err
    assert interrupted_run(out) is not None


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_killed_run_goes_on_and_is_measured_without_the_lost_picture(
    version: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(version, tmp_path)
    begin_run(tmp_path, describe_run(settings, version, ""))
    lost = version.paths("test")[0]
    lost.unlink()
    words = f"train --dataset {settings.dataset} --out {tmp_path} --backbone small --epochs 1"
    assert cli.main([*words.split(), "--export", "keras", "--resume"]) == 3
    assert lost.name in capsys.readouterr().err
    assert (tmp_path / "current" / "model.keras").is_file()
