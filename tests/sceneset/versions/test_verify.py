import json
import os
import shutil
from pathlib import Path

import pytest
from support.curate_exports import drawn, exported, publish

from curate.forget.manifest import Target, erase, find_matches
from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import DamagedDataError
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.published import read_pictures, read_record
from sceneset.versions.verify import Exported, standing_exports, verify


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return publish(tmp_path / "set", drawn("AB"))


def verified(dataset: Dataset) -> Outcome:
    return verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))


def only_buried(dataset: Dataset) -> str:
    """Take a picture out of the manifest alone, as a forget that is killed does."""
    sha256 = read_pictures(dataset.current)[0].sha256
    target = Target(sha256=sha256)
    with Manifest(dataset.manifest_path) as manifest:
        erase(manifest, target, find_matches(manifest, target), "", version_ids=())
    return sha256


def test_a_picture_forgotten_in_the_manifest_alone_is_a_problem(dataset: Dataset) -> None:
    assert verified(dataset).exit_code == 0
    sha256 = only_buried(dataset)
    outcome = verified(dataset)
    assert outcome.exit_code == DamagedDataError.exit_code
    assert outcome.cure == "run the same forget again"
    assert outcome.summary["problems"] == [
        f"raw/ still holds {sha256}, which is forgotten",
        f"version 1 still holds {sha256}, which is forgotten",
    ]


def test_a_forgotten_picture_in_a_version_that_cannot_be_read_is_a_problem(
    dataset: Dataset,
) -> None:
    sha256 = only_buried(dataset)
    shutil.copytree(dataset.versions / "1", dataset.versions / "7")
    (dataset.versions / "7" / "manifest.csv").unlink()
    problems = verified(dataset).summary["problems"]
    assert f"version 7 still holds {sha256}, which is forgotten" in problems  # type: ignore[operator]


def test_a_version_that_still_holds_a_forgotten_picture_is_not_exported(
    dataset: Dataset, tmp_path: Path
) -> None:
    only_buried(dataset)
    with pytest.raises(DamagedDataError, match="which is forgotten") as caught:
        exported(dataset, "webdataset", tmp_path / "out")
    assert caught.value.cure == "run the same forget again"
    assert not (tmp_path / "out").exists()
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.runs("export") == []


def test_every_kept_version_is_checked_and_each_damage_named(dataset: Dataset) -> None:
    for number in (2, 3):
        shutil.copytree(dataset.versions / "1", dataset.versions / str(number))
    first = read_pictures(dataset.current)[0].path
    (dataset.versions / "1" / first).write_bytes(b"junk")
    (dataset.versions / "2" / first).unlink()
    (dataset.versions / "3" / "SHA256SUMS").unlink()
    (dataset.root / images_of(dataset)[0]).write_bytes(b"junk")
    outcome = verified(dataset)
    assert outcome.exit_code == DamagedDataError.exit_code
    assert outcome.summary["problems"] == [
        f"{images_of(dataset)[0]} does not hash to its name",
        f"version 1: {first} is not the file that was published",
        f"version 2: {first} is missing",
        "version 3: its checksums cannot be read (No such file or directory)",
    ]
    assert outcome.summary["versions"] == [1, 2, 3]
    assert (outcome.problem or "").startswith(f"4 problems in {dataset.root}, the first: raw/")


def images_of(dataset: Dataset) -> list[str]:
    with Manifest(dataset.manifest_path) as manifest:
        return [image.path for image in manifest.images()]


@pytest.mark.parametrize("sums", [b"\xff\xfe\0", b"", b"\n\nxx\n", b"0" * 500])
def test_checksums_that_say_nothing_are_damage(dataset: Dataset, sums: bytes) -> None:
    (dataset.versions / "1" / "SHA256SUMS").write_bytes(sums)
    outcome = verified(dataset)
    assert outcome.exit_code == DamagedDataError.exit_code
    assert "version 1: class_names.txt has no checksum" in outcome.summary["problems"]  # type: ignore[operator]


def test_a_file_of_a_name_that_is_no_text_is_said_in_plain_letters(dataset: Dataset) -> None:
    (dataset.versions / "1" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    assert verified(dataset).summary["problems"] == [r"version 1: caf\xe9.jpg has no checksum"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("versions/9", "curated/current points to versions/9, which is missing"),
        ("../raw", "curated/current points to ../raw, which is no version"),
        (None, "curated/current is no link to a version"),
    ],
)
def test_a_link_that_leads_to_no_version_is_a_problem(
    dataset: Dataset, target: str | None, said: str
) -> None:
    dataset.current.unlink()
    dataset.current.symlink_to(target) if target else dataset.current.mkdir()
    assert verified(dataset).summary["problems"] == [said]


def test_an_export_that_still_stands_is_checked_for_what_was_written(
    dataset: Dataset, tmp_path: Path
) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    exported(dataset, "imagefolder", out)
    exported(dataset, "webdataset", moved)
    moved.rename(tmp_path / "elsewhere")
    (out / "notes.txt").write_text("a user's own")
    outcome = verified(dataset)
    assert outcome.exit_code == 0
    assert outcome.summary["exports"] == [str(out)]
    (out / "README.md").write_text("changed")
    (out / "class_names.txt").unlink()
    assert verified(dataset).summary["problems"] == [
        f"export {out}: class_names.txt is missing",
        f"export {out}: README.md is not the file that was published",
    ]


def test_an_export_is_known_by_its_own_mark_or_by_the_run_that_wrote_it(
    dataset: Dataset, tmp_path: Path
) -> None:
    exported(dataset, "imagefolder", tmp_path / "out")
    version = str((read_record(dataset.current) or {})["version"])
    known = [Exported(tmp_path / "out", "imagefolder", version)]
    for mark in (None, "", "[]", '{"format": 1}', json.dumps({"format": "x", "version": "other"})):
        with Manifest(dataset.manifest_path) as manifest:
            assert standing_exports(manifest) == known
            manifest.finish_run(manifest.runs("export")[-1].id, "failed", {})  # killed at its end
            assert standing_exports(manifest) == known
        (tmp_path / "out" / "export.json").write_text(mark or "")
    with Manifest(dataset.manifest_path) as manifest:
        assert [e.version for e in standing_exports(manifest)] == ["other"]
    (tmp_path / "out" / "export.json").unlink()
    (tmp_path / "out" / "SHA256SUMS").unlink()
    with Manifest(dataset.manifest_path) as manifest:
        assert standing_exports(manifest) == []
