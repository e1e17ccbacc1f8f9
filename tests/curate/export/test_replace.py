import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.curate import tree
from support.curate_exports import drawn, exported, publish

from curate.commands.export import replaced_folder
from sceneset.checksums import altered_files
from sceneset.dataset import Dataset
from sceneset.errors import CannotWriteError, UsageError
from sceneset.manifest.store import Manifest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return publish(tmp_path / "set", drawn(["A", "B"]))


def test_an_earlier_export_is_replaced_whole(dataset: Dataset, tmp_path: Path) -> None:
    exported(dataset, "imagefolder", tmp_path / "out")
    exported(dataset, "webdataset", tmp_path / "out")
    assert not (tmp_path / "out" / "train").exists()
    assert (tmp_path / "out" / "train-000000.tar").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]


@pytest.mark.parametrize("stray", ["mine.txt", "train/A/mine.jpg", ".git/config"])
def test_a_folder_with_files_of_others_is_refused(
    dataset: Dataset, tmp_path: Path, stray: str
) -> None:
    exported(dataset, "imagefolder", tmp_path / "out")
    (tmp_path / "out" / stray).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / stray).write_text("mine")
    with pytest.raises(UsageError, match="which no export wrote"):
        exported(dataset, "webdataset", tmp_path / "out")
    assert (tmp_path / "out" / stray).read_text() == "mine"
    assert (tmp_path / "out" / "train").is_dir()


def test_other_folders_and_files_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").touch()
    with pytest.raises(UsageError, match="is a file"):
        exported(dataset, "imagefolder", tmp_path / "file")
    with pytest.raises(UsageError, match="is a file"):
        exported(dataset, "imagefolder", tmp_path / "file" / "out")
    with pytest.raises(UsageError, match=r"thesis\.doc"):
        exported(dataset, "imagefolder", tmp_path / "other")
    with pytest.raises(UsageError, match="inside the data set"):
        exported(dataset, "imagefolder", dataset.root / "raw")
    with pytest.raises(UsageError, match="no export wrote"):
        exported(dataset, "imagefolder", tmp_path)
    (tmp_path / "other" / "thesis.doc").unlink()
    exported(dataset, "imagefolder", tmp_path / "other")


def test_what_a_killed_export_left_is_swept(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / ".part-export-out" / "new").mkdir(parents=True)
    (tmp_path / ".part-another").mkdir()
    exported(dataset, "imagefolder", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".part-another", "out", "set"]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are exchanged at once on Linux only")
def test_two_folders_change_places_without_one_being_missing(tmp_path: Path) -> None:
    """Two plain renames would leave a moment in between; one exchange does not."""
    for name in ("fresh", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    code = (
        "import sys; from pathlib import Path; from sceneset.atomic import put_in_place\n"
        "seen = []; sys.addaudithook(lambda event, _: seen.append(event))\n"
        "put_in_place(*map(Path, sys.argv[1:])); print(seen.count('os.rename'))"
    )
    words = [sys.executable, "-c", code, tmp_path / "fresh", tmp_path / "place"]
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "0\n"
    assert (tmp_path / "place" / "fresh").exists()
    assert (tmp_path / "fresh" / "place").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_a_place_where_no_folder_can_be_made_is_said(dataset: Dataset) -> None:
    with pytest.raises(CannotWriteError, match="no folder can be made at /proc/out"):
        exported(dataset, "imagefolder", Path("/proc/out"))


def test_the_published_files_are_copied_not_shared(dataset: Dataset, tmp_path: Path) -> None:
    exported(dataset, "imagefolder", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.jpg"):
        assert path.stat().st_nlink == 1
        path.write_bytes(b"changed")
    assert altered_files(dataset.current.resolve()) == []


@pytest.mark.parametrize("step", [2, 6, 9, 12, 15])
def test_a_killed_export_leaves_the_old_one_or_the_new_one(
    dataset: Dataset, tmp_path: Path, step: int
) -> None:
    """Kill at a file system call of the replacement; then export again."""
    exported(dataset, "imagefolder", tmp_path / "out")
    old = hashlib.sha256(json.dumps(sorted(tree(tmp_path / "out"))).encode()).digest()
    words = ["export", "--dataset", dataset.root, "--format", "webdataset", "--out"]
    code = (
        "import os, sys\n"
        "left = int(sys.argv.pop(1))\n"
        "def hook(event, args):\n"
        "    global left\n"
        "    if event in ('os.rename', 'os.mkdir', 'os.remove', 'os.rmdir', 'os.chmod'):\n"
        "        left -= 1\n"
        "        if left == 0: os._exit(9)\n"
        "sys.addaudithook(hook)\n"
        "import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(step), *map(os.fspath, words), tmp_path / "out"],
        cwd=ROOT, capture_output=True, check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert answer.returncode in {0, 9}
    found = hashlib.sha256(json.dumps(sorted(tree(tmp_path / "out"))).encode()).digest()
    whole = altered_files(tmp_path / "out") == []
    assert whole
    assert (found == old) == (tmp_path / "out" / "train").is_dir()
    exported(dataset, "webdataset", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]


@pytest.mark.parametrize("name", ["imagefolder", "webdataset"])
@pytest.mark.parametrize("edit", ["altered", "removed", "added", "linked", "listed", "unlisted"])
def test_an_export_that_somebody_changed_is_not_replaced(
    dataset: Dataset, tmp_path: Path, name: str, edit: str
) -> None:
    out = tmp_path / "out"
    exported(dataset, name, out)
    edited = next(p for p in sorted(out.rglob("*")) if p.suffix in {".jpg", ".tar"})
    match edit:
        case "altered":
            edited.write_bytes(b"mine")
        case "removed":
            edited.unlink()
        case "added":
            (out / ".notes").write_text("mine")
        case "linked":
            (out / "more").symlink_to(tmp_path)
        case "listed":
            (out / "SHA256SUMS").write_text(f"{'0' * 64}  mine.txt\n")
        case _:
            (out / "SHA256SUMS").write_bytes(b"\xff\0")
    before = tree(out)
    for format_name in (name, "croissant"):
        with pytest.raises(UsageError, match=r"--out .*out holds ") as caught:
            exported(dataset, format_name, out)
        assert caught.value.cure == "name a new folder, or remove or rename that one yourself"
    assert tree(out) == before
    assert (out / "more").is_symlink() == (edit == "linked")
    with Manifest(dataset.manifest_path) as manifest:
        assert len(manifest.runs("export")) == 1
    exported(dataset, name, tmp_path / "new")


def test_an_export_that_is_changed_while_the_next_is_written_is_kept(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    exported(dataset, "imagefolder", out)
    with (
        pytest.raises(UsageError, match=r"README\.md is not the file"),
        replaced_folder(out, keep_out_of=dataset.root) as part,
    ):
        (part / "new.txt").touch()
        (out / "README.md").write_text("mine")
    assert (out / "README.md").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]


def test_an_export_left_aside_between_two_renames_is_put_back(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Where folders cannot be exchanged, a kill leaves the old one aside and none in place."""
    out, bench = tmp_path / "out", tmp_path / ".part-export-out"
    exported(dataset, "imagefolder", out)
    before = tree(out)
    bench.mkdir()
    out.rename(bench / "new-old")
    with pytest.raises(OSError, match="full"), replaced_folder(out, keep_out_of=dataset.root):
        raise OSError("full")
    assert tree(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]
