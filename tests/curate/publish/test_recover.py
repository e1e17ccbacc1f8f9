import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.curate import Adopt, Classes, run, tree

from curate.publish.version import is_unfinished, note_unfinished, recover
from curate.settings import CurateSettings
from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import DamagedDataError
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from sceneset.versions.published import numbers
from sceneset.versions.status import StatusSettings, status
from sceneset.versions.verify import verify

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, adopt_at: Adopt, two_classes: Classes
) -> Path:
    made = adopt_at(tmp_path_factory.mktemp("published") / "set", two_classes)
    run(made)
    return made.root


@pytest.fixture
def dataset(published: Path, tmp_path: Path) -> Dataset:
    return Dataset(shutil.copytree(published, tmp_path / "set", symlinks=True))


def cut_short(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        manifest.start_run("curate", {}, {})  # and never ended


def left_by_a_kill(dataset: Dataset) -> Path:
    """Leave version 2 as a run does that is killed between the folder's rename and its rows."""
    folder = dataset.versions / "2"
    shutil.copytree(dataset.versions / "1", folder)
    note_unfinished(dataset, 2, folder)
    cut_short(dataset)
    return folder


def test_a_version_that_a_killed_run_left_is_made_again(dataset: Dataset) -> None:
    left_by_a_kill(dataset)
    run(dataset, size=64)
    assert dataset.current.resolve().name == "3"
    assert sorted(p.name for p in dataset.versions.iterdir()) == ["1", "3"]
    assert not (dataset.versions.parent / "publishing.json").exists()


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("content", ["a version", "files", "nothing"])
def test_a_folder_that_no_run_of_ours_left_is_never_removed(
    dataset: Dataset, content: str, *, killed: bool
) -> None:
    folder = dataset.versions / "7"
    if content == "a version":
        shutil.copytree(dataset.versions / "1", folder)
    else:
        folder.mkdir()
        (folder / "mine.jpg").write_bytes(b"mine") if content == "files" else None
    before = tree(folder)
    if killed:
        cut_short(dataset)
    with pytest.raises(DamagedDataError, match=rf"7 holds {content}") as caught:
        run(dataset, size=64)
    assert "move that folder" in caught.value.cure
    assert folder.is_dir()
    assert tree(folder) == before
    folder.rename(dataset.root / "elsewhere")
    assert run(dataset, size=64).summary["version"]


def test_recovering_removes_nothing_that_it_does_not_know(dataset: Dataset) -> None:
    (dataset.versions / "7").mkdir()
    left_by_a_kill(dataset)
    with pytest.raises(DamagedDataError, match="7 holds nothing"):
        recover(dataset, {1})
    assert numbers(dataset.versions) == [1, 2, 7]
    (dataset.versions / "7").rmdir()
    assert recover(dataset, {1}) == 3
    assert numbers(dataset.versions) == [1]


def test_a_left_version_that_a_person_changed_is_kept(dataset: Dataset) -> None:
    folder = left_by_a_kill(dataset)
    (folder / "note.txt").write_text("mine")
    assert not is_unfinished(dataset, 2)
    with pytest.raises(DamagedDataError, match="2 holds a version"):
        run(dataset, size=64)
    assert (folder / "note.txt").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"number": 2}', "\0"])
def test_an_odd_note_of_an_unfinished_version_removes_nothing(dataset: Dataset, text: str) -> None:
    folder = left_by_a_kill(dataset)
    (dataset.versions.parent / "publishing.json").write_text(text)
    with pytest.raises(DamagedDataError, match="2 holds a version"):
        run(dataset, size=64)
    assert (folder / "manifest.csv").is_file()


def odd_names(dataset: Dataset) -> None:
    for name in ("3.bak", "003", "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT FIVE}", "-2", "0"):
        (dataset.versions / name).mkdir()
    (dataset.versions / "4").write_text("a file")
    (dataset.versions / "5").symlink_to("1")
    (dataset.versions / "6").symlink_to("nowhere")


def test_odd_names_are_no_versions_and_stay(dataset: Dataset) -> None:
    odd_names(dataset)
    before = sorted(p.name for p in dataset.versions.iterdir())
    assert numbers(dataset.versions) == [1]
    for size in (64, 80):
        run(dataset, size=size, keep_versions=1)
    assert dataset.current.readlink() == Path("versions/8")  # 4, 5 and 6 are taken
    after = sorted(p.name for p in dataset.versions.iterdir())
    assert after == sorted([*(set(before) - {"1"}), "8"])
    settings = StatusSettings(dataset=dataset.root)
    assert status(settings=settings, output=Output(quiet=True)).summary["published"]
    checked = verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))
    assert checked.summary["problems"] == []
    assert checked.summary["versions"] == [8]


def test_a_folder_in_the_place_of_the_link_is_said_and_kept(dataset: Dataset) -> None:
    dataset.current.unlink()
    shutil.copytree(dataset.versions / "1", dataset.current)
    before = tree(dataset.current)
    with pytest.raises(DamagedDataError, match="no link to a version"):
        run(dataset, size=64)
    assert tree(dataset.current) == before


def test_a_run_keeps_as_many_versions_as_it_is_told(dataset: Dataset) -> None:
    for size in (48, 64, 80):
        run(dataset, size=size)
    assert numbers(dataset.versions) == [2, 3, 4]
    assert CurateSettings().keep_versions == 3


KILLED_AT = """
import os, sys
ending, renamed = sys.argv.pop(1), False
def hook(event, args):
    global renamed
    if renamed and event == 'open':
        os._exit(9)
    renamed = renamed or (event == 'os.rename' and str(args[1]).endswith(ending))
sys.addaudithook(hook)
import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["versions/2", "curated/current"])
def test_a_run_killed_right_after_a_rename_is_mended_by_the_next(
    dataset: Dataset, ending: str
) -> None:
    """Between the folder's name and its rows, and after the link is swapped."""
    words = ["curate", "--dataset", str(dataset.root), "--size", "64", "--executor", "serial"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT, ending, *words],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == 9
    assert numbers(dataset.versions) == [1, 2]
    assert (dataset.versions.parent / "publishing.json").is_file()
    unclaimed = ending == "versions/2"
    assert dataset.current.resolve().name == ("1" if unclaimed else "2")
    assert is_unfinished(dataset, 2)
    assert run(dataset, size=64).summary["published"] is unclaimed
    assert dataset.current.resolve().name == ("3" if unclaimed else "2")
    assert sorted(p.name for p in dataset.versions.parent.iterdir()) == ["current", "versions"]
    checked = verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))
    assert checked.summary["problems"] == []
