"""What a training refuses before it computes anything, and what tells two versions apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import cli
from pipeline.checksums import NAME, write_checksums
from pipeline.dataset import Dataset
from pipeline.errors import CannotWriteError, DamagedDataError
from training.build import about
from training.checks import check_pictures, make_logs, make_out
from training.pictures import read_version
from training.settings import TrainSettings

Publish = Callable[..., Path]


@pytest.fixture
def summed(publish: Publish) -> Dataset:
    """Return a version with SHA256SUMS, as curate writes it."""
    dataset = Dataset(publish({"Disc": {"train": 2, "val": 1}, "Stripes": {"train": 2}}))
    write_checksums(dataset.current.resolve())
    return dataset


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_picture_that_was_altered_or_is_gone_is_named(
    summed: Dataset, split: str, *, gone: bool
) -> None:
    version = read_version(summed)
    check_pictures(version)
    path = next(path for name, rows in version.splits.items() if name == split for path in rows)
    if gone:
        path.path.unlink()
    else:
        path.path.write_bytes(version.splits["train"][-1].path.read_bytes() + b"\n")
    with pytest.raises(DamagedDataError, match=path.path.name) as caught:
        check_pictures(version)
    assert caught.value.exit_code == 5
    assert "sceneset verify" in caught.value.cure


def test_the_command_refuses_altered_pictures_before_it_trains(
    summed: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = read_version(summed).paths("train")[0]
    picture.write_bytes(read_version(summed).paths("train")[-1].read_bytes())
    words = f"train --dataset {summed.root} --out {tmp_path / 'm'} --backbone small"
    assert cli.main(words.split()) == 5
    assert f"{picture} is not the file that was published" in capsys.readouterr().err
    assert list((tmp_path / "m").iterdir()) == []


def test_a_version_without_checksums_is_known_by_its_id_and_not_checked(publish: Publish) -> None:
    version = read_version(Dataset(publish({"Disc": {"train": 2}})))
    assert version.pixels == version.id
    version.splits["train"][0].path.write_bytes(b"altered")
    check_pictures(version)


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
    told = [about(settings, version, "") for version in (first, *others)]
    assert all(one != told[0] for one in told[1:])


def test_a_picture_that_the_checksums_do_not_name_is_damage(summed: Dataset) -> None:
    (summed.current / NAME).write_bytes(b"")
    with pytest.raises(DamagedDataError, match="not the file that was published"):
        check_pictures(read_version(summed))


def test_a_folder_that_cannot_be_made_is_told_with_its_flag(tmp_path: Path) -> None:
    with pytest.raises(CannotWriteError, match="--out /proc/x/y") as caught:
        make_out(Path("/proc/x/y"))
    assert caught.value.exit_code == 73
    (tmp_path / "file").write_text("mine")
    for folder in (Path("/proc/x"), Path("/proc"), tmp_path / "file", tmp_path / "file" / "logs"):
        with pytest.raises(CannotWriteError, match="--tensorboard") as caught:
            make_logs(folder)
        assert caught.value.cure == "name another: --tensorboard DIR"
    make_logs(tmp_path / "logs")
    make_logs(None)
    assert list((tmp_path / "logs").iterdir()) == []
