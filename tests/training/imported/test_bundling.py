"""A bundle's folder is tried first, is named as it is served, and is rid of what a kill left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sceneset.errors import CannotWriteError
from training.imported.bundling import bundle_folder, bundle_name, check_out

HOLDING = (
    "import sys, pathlib, time; from training.imported.bundling import bundle_folder\n"
    "with bundle_folder(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_a_place_that_cannot_be_written_is_told_before_any_work() -> None:
    with pytest.raises(CannotWriteError, match="--out /proc/models/lake/1") as caught:
        check_out(Path("/proc/models/lake/1"))
    assert "--out" in caught.value.cure


def test_trying_the_place_leaves_nothing_there(tmp_path: Path) -> None:
    check_out(tmp_path / "models" / "lake" / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_numbered_version_has_the_name_of_its_model(tmp_path: Path) -> None:
    assert bundle_name(tmp_path / "lake" / "12") == "lake"
    assert bundle_name(tmp_path / "lake" / "v2") == "v2"


def test_what_a_killed_run_left_is_removed_by_the_next_of_the_same_folder(tmp_path: Path) -> None:
    out = tmp_path / "1"
    command = [sys.executable, "-c", HOLDING, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        (left,) = tmp_path.iterdir()
        with bundle_folder(tmp_path / "2"), bundle_folder(out):
            assert left.is_dir()  # of a run that still lives
        out.rmdir()
        run.send_signal(signal.SIGKILL)
    with bundle_folder(tmp_path / "3"):
        assert left.is_dir()  # of another bundle
    with bundle_folder(out):
        assert not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
