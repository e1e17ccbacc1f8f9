"""What a training refuses before it computes anything, and what tells two versions apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sceneset import cli
from sceneset.checksums import NAME, write_checksums
from sceneset.dataset import Dataset
from sceneset.errors import CannotWriteError, DamagedDataError
from sceneset.manifest.rows import Split
from training.commands.train import describe_run, make_writable, model_folder
from training.data.version import (
    Example,
    Version,
    check_pictures,
    read_version,
)
from training.settings import TrainSettings

Publish = Callable[..., Path]


@pytest.fixture
def summed(publish: Publish) -> Dataset:
    """Return a version with SHA256SUMS, as curate writes it."""
    dataset = Dataset(publish({"Disc": {"train": 2, "val": 1, "test": 1}, "Stripes": {"train": 2}}))
    write_checksums(dataset.current.resolve())
    return dataset


def every(version: Version) -> list[Example]:
    return [example for rows in version.splits.values() for example in rows]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_picture_that_was_altered_or_is_gone_is_named(
    summed: Dataset, split: str, *, gone: bool
) -> None:
    version = read_version(summed)
    check_pictures(every(version))
    path = next(path for name, rows in version.splits.items() if name == split for path in rows)
    if gone:
        path.path.unlink()
    else:
        path.path.write_bytes(version.splits["train"][-1].path.read_bytes() + b"\n")
    with pytest.raises(DamagedDataError, match=path.path.name) as caught:
        check_pictures(every(version))
    assert caught.value.exit_code == 5
    assert "sceneset verify" in caught.value.cure


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_command_refuses_altered_pictures_before_it_trains(
    summed: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: Split
) -> None:
    picture = read_version(summed).paths(split)[0]
    picture.write_bytes(read_version(summed).paths("train")[-1].read_bytes())
    words = f"train --dataset {summed.root} --out {tmp_path / 'm'} --backbone small"
    assert cli.main(words.split()) == 5
    assert f"{picture} is not the file that was published" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ("--out {dir}/m --views 2 --crop 0.5", "--crop does nothing with --views 2", 2),
        (
            "--out {dir}/m --recipe original --hidden 5",
            "--hidden does nothing in the recipe original",
            2,
        ),
        ("--out {dir}/file/m", "is a file", 2),
        ("--out /proc/x", "--out /proc/x", 73),
        ("--out /proc", "nothing can be written to --out /proc", 73),
    ],
)
def test_what_cannot_work_is_told_before_weights_are_looked_for(
    summed: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
    *,
    code: int,
) -> None:
    (tmp_path / "file").write_text("mine")
    given = f"train --dataset {summed.root} --weights {tmp_path}/none.h5 {words}"
    assert cli.main(given.format(dir=tmp_path).split()) == code
    assert said in capsys.readouterr().err


def test_a_version_without_checksums_is_known_by_its_id_and_not_checked(publish: Publish) -> None:
    version = read_version(Dataset(publish({"Disc": {"train": 2}})))
    assert version.pixels == version.id
    version.splits["train"][0].path.write_bytes(b"altered")
    check_pictures(every(version))


def test_the_same_pictures_in_another_encoding_are_another_run(summed: Dataset) -> None:
    first = read_version(summed)
    (summed.current / "dataset.html").write_text("another day")
    write_checksums(summed.current.resolve())
    assert read_version(summed).pixels == first.pixels
    picture = first.splits["train"][0].path
    picture.write_bytes(picture.read_bytes() + b"\0")
    write_checksums(summed.current.resolve())
    second = read_version(summed)
    assert second.id == first.id
    assert second.pixels != first.pixels
    settings = TrainSettings(dataset=summed.root)
    others = [second, replace(first, size=64), replace(first, fit="pad")]
    told = [describe_run(settings, version, "") for version in (first, *others)]
    assert all(one != told[0] for one in told[1:])


def test_a_picture_that_the_checksums_do_not_name_is_damage(summed: Dataset) -> None:
    (summed.current / NAME).write_bytes(b"")
    with pytest.raises(DamagedDataError, match="not the file that was published"):
        check_pictures(every(read_version(summed)))


def test_a_folder_that_cannot_be_made_is_told_with_its_flag(tmp_path: Path) -> None:
    with (
        pytest.raises(CannotWriteError, match="--out /proc/x/y") as caught,
        model_folder(Path("/proc/x/y")),
    ):
        pass
    assert caught.value.exit_code == 73
    (tmp_path / "file").write_text("mine")
    for folder in (Path("/proc/x"), Path("/proc"), tmp_path / "file", tmp_path / "file" / "logs"):
        with pytest.raises(CannotWriteError, match="--tensorboard") as caught:
            make_writable(folder, "--tensorboard")
        assert caught.value.cure == "name another: --tensorboard DIR"
    make_writable(tmp_path / "logs", "--tensorboard")
    assert list((tmp_path / "logs").iterdir()) == []
