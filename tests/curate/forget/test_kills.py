import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import forget as forget_support
from support.curate import run
from support.forget import GONE, forgotten, is_nowhere, is_sound

from curate.forget.manifest import unfinished_runs
from sceneset.atomic import put_in_place
from sceneset.dataset import Dataset
from sceneset.manifest.store import Manifest
from sceneset.versions.published import numbers

whole, place, dataset = forget_support.whole, forget_support.place, forget_support.dataset

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("both", [True, False])
def test_a_version_left_missing_between_two_renames_is_put_back(
    dataset: Dataset, *, both: bool
) -> None:
    """Where folders cannot be exchanged, a kill leaves the version aside."""
    shutil.copytree(dataset.versions / "2", dataset.versions / ".part-forget-2")
    if both:
        (dataset.versions / "2").rename(dataset.versions / ".part-forget-2-old")
    else:
        shutil.rmtree(dataset.versions / "2")
    forgotten(dataset, sha256=GONE)
    assert numbers(dataset.versions) == [1, 2]
    assert is_nowhere(dataset)
    assert is_sound(dataset)
    assert list(dataset.versions.glob(".part-*")) == []


def test_curate_puts_back_a_version_left_missing_between_two_renames(dataset: Dataset) -> None:
    (dataset.versions / "2").rename(dataset.versions / ".part-forget-2-old")
    run(dataset, size=48)
    assert 2 in numbers(dataset.versions)
    assert is_sound(dataset)


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one_there(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", place, exchange=lambda _fresh, _place: False)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "place",
        "place/old",
    ]


KILLED = """
import os, sys
left = int(sys.argv.pop(1))
def hook(event, args):
    global left
    if event in ('os.rename', 'os.remove', 'os.rmdir', 'os.link', 'os.mkdir'):
        left -= 1
        if left == 0: os._exit(9)
sys.addaudithook(hook)
import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("step", [1, 3, 5, 12, 50, 80, 120])
def test_a_killed_run_is_completed_by_the_next(dataset: Dataset, step: int) -> None:
    """Kill at a file system call, then forget again: as if nothing had happened."""
    words = ["forget", "--dataset", dataset.root, "--sha256", GONE]
    words += ["--models", dataset.root.parent / "models", "--json"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *map(str, words)],
        cwd=ROOT, capture_output=True, check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert killed.returncode in {0, 9}
    with sqlite3.connect(dataset.manifest_path) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    assert dataset.current.resolve().is_dir()
    with Manifest(dataset.manifest_path) as manifest:
        begun = bool(unfinished_runs(manifest))
    for sha256 in ("0" * 64, GONE) if begun else (GONE,):
        summary = forgotten(dataset, sha256=sha256).summary
        assert [Path(b).name for b in summary["bundles"]] == ["1"]  # type: ignore[attr-defined]
        assert is_nowhere(dataset)
        assert is_sound(dataset)
    with Manifest(dataset.manifest_path) as manifest:
        assert {r.outcome for r in manifest.runs("forget")} == {"forgotten"}
    assert list(dataset.root.rglob(".part-*")) == []
