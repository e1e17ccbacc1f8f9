import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import forget as forget_support
from support.curate import run
from support.forget import GONE, forgotten, is_nowhere, is_sound, verified

from sceneset.checksums import altered_files, write_checksums
from sceneset.dataset import Dataset, reading_versions, run_lock
from sceneset.errors import DamagedDataError, LockedError, UsageError
from sceneset.manifest.store import Manifest
from sceneset.versions.published import read_pictures, read_record, record_json

whole, place, dataset = forget_support.whole, forget_support.place, forget_support.dataset


def test_damage_elsewhere_in_a_version_stays_visible(dataset: Dataset) -> None:
    other = next(p for p in read_pictures(dataset.current) if p.sha256 != GONE)
    path = dataset.current / other.path
    path.write_bytes(b"junk")
    forgotten(dataset, sha256=GONE)
    assert altered_files(dataset.current.resolve()) == [
        f"{other.path} is not the file that was published"
    ]


def test_a_version_that_cannot_be_read_loses_the_picture_all_the_same(dataset: Dataset) -> None:
    (dataset.versions / "1" / "manifest.csv").write_bytes(b"broken")
    forgotten(dataset, sha256=GONE)
    assert not list((dataset.versions / "1").rglob(f"{GONE[:16]}*"))
    assert altered_files(dataset.versions / "2") == []


def test_a_busy_data_set_is_refused_and_untouched(dataset: Dataset) -> None:
    with run_lock(dataset.root, "scrape"), pytest.raises(LockedError):
        forgotten(dataset, sha256=GONE)
    with (
        run_lock(dataset.root / "cache" / "embeddings", "embedding"),
        pytest.raises(LockedError),
    ):
        forgotten(dataset, sha256=GONE)
    with reading_versions(dataset, "train"), reading_versions(dataset, "evaluate"):
        with pytest.raises(LockedError, match="in use by evaluate"):
            forgotten(dataset, sha256=GONE)
        run(dataset, size=64)  # who reads a version does not keep the next from being published
    assert is_sound(dataset)
    assert (dataset.root / dataset.raw_name(GONE, "jpg")).is_file()
    refused = pytest.raises(LockedError, match="in use by forget")
    with run_lock(dataset.versions.parent, "forget"), refused, reading_versions(dataset, "train"):
        pass


def _without_first_line(table: Path) -> None:
    table.write_bytes(table.read_bytes().split(b"\n", 1)[1])


def _only_named(version: Path) -> None:
    """Leave nothing of the picture but lines of a manifest.csv that cannot be read."""
    _without_first_line(version / "manifest.csv")
    next(version.rglob(f"{GONE[:16]}*")).unlink()
    sums = (version / "SHA256SUMS").read_text().splitlines(keepends=True)
    (version / "SHA256SUMS").write_text("".join(line for line in sums if GONE[:16] not in line))


@pytest.mark.parametrize(
    "damage",
    [
        lambda version: (version / "manifest.csv").write_bytes(b"broken"),
        lambda version: (version / "manifest.csv").unlink(),
        lambda version: _without_first_line(version / "manifest.csv"),
        lambda version: _without_row(version / "manifest.csv"),
        _only_named,
        lambda version: (version / "SHA256SUMS").write_bytes(b"\xff\xfe\n"),
        lambda version: (version / "SHA256SUMS").unlink(),
        lambda version: (version / "dataset.json").write_text('{"folders": 3, "dropped": [1]}'),
        lambda version: (version / "dataset.json").unlink(),
    ],
)
def test_no_list_of_a_damaged_version_names_the_picture(
    dataset: Dataset, damage: Callable[[Path], object]
) -> None:
    """What is damaged stays so: only what names the picture goes."""
    damage(dataset.versions / "1")
    forgotten(dataset, sha256=GONE)
    assert is_nowhere(dataset)
    problems = verified(dataset).summary["problems"]
    assert problems
    assert all(str(problem).startswith("version 1: ") for problem in problems)  # type: ignore[attr-defined]


def test_odd_names_beside_the_versions_are_left_alone_and_named(
    dataset: Dataset, place: Path
) -> None:
    other = shutil.copytree(dataset.versions / "1", place / "other")
    (dataset.versions / "4").write_text("a file")
    (dataset.versions / "5").symlink_to(other)
    shutil.copytree(other, dataset.versions / "003")
    shutil.copytree(other, dataset.versions / "3.bak")
    outcome = forgotten(dataset, sha256=GONE)
    versions = outcome.summary["versions"]
    assert [version["number"] for version in versions] == [1, 2]  # type: ignore[attr-defined]
    odd = [str(dataset.versions / name) for name in ("003", "3.bak", "5")]
    assert outcome.summary["strangers"] == odd
    assert f"holds it and is no version, remove it yourself: {odd[0]}" in outcome.lines
    for folder in (other, dataset.versions / "5", dataset.versions / "003"):
        assert altered_files(folder) == []
        assert GONE in (folder / "manifest.csv").read_text()


def test_a_missing_file_is_no_damage_once_it_is_forgotten(dataset: Dataset) -> None:
    next((dataset.versions / "1").rglob(f"{GONE[:16]}*")).unlink()
    forgotten(dataset, sha256=GONE)
    assert is_nowhere(dataset)
    assert is_sound(dataset)


def test_a_version_in_a_form_of_its_own_stays_whole(dataset: Dataset) -> None:
    """Its manifest.csv cannot be read here, but nothing of it is damaged."""
    table = dataset.versions / "1" / "manifest.csv"
    table.write_bytes(table.read_bytes().replace(b"path,", b"file,", 1))
    write_checksums(dataset.versions / "1")
    forgotten(dataset, sha256=GONE)
    assert len(table.read_bytes().splitlines()) == 1 + 15
    assert is_nowhere(dataset)
    assert is_sound(dataset)


def _without_row(table: Path) -> None:
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(line for line in lines if GONE.encode() not in line))


def test_a_manifest_with_a_field_too_long_to_read_is_damage(dataset: Dataset) -> None:
    (dataset.versions / "1" / "manifest.csv").write_text("x" * 200_000)
    with pytest.raises(DamagedDataError, match="cannot be read"):
        read_pictures(dataset.versions / "1")
    forgotten(dataset, sha256=GONE)
    assert not list((dataset.versions / "1").rglob(f"{GONE[:16]}*"))


@pytest.mark.parametrize("said", [None, 3, "x", {"pictures": "many", "versions_before": 7}])
def test_a_record_that_says_nothing_known_of_what_was_forgotten_stops_nobody(
    dataset: Dataset, said: object
) -> None:
    record = read_record(dataset.current) or {}
    (dataset.current / "dataset.json").write_bytes(record_json(record | {"forgotten": said}))
    write_checksums(dataset.current.resolve())
    forgotten(dataset, sha256=GONE)
    before = [record["version"]]
    assert (read_record(dataset.current) or {})["forgotten"] == {
        "pictures": 1,
        "versions_before": before,
    }
    assert is_sound(dataset)


@pytest.mark.parametrize(
    "name", ["raw", "curated", "curated/versions", "cache", "reports", "quarantine", "raw/00"]
)
def test_a_folder_that_leads_into_another_data_set_is_refused(
    dataset: Dataset, place: Path, name: str
) -> None:
    folder, other = dataset.root / name, place / "other"
    folder.mkdir(exist_ok=True)
    folder.rename(other)
    folder.symlink_to(other)
    before = sorted(place.rglob("*"))
    with pytest.raises(UsageError, match="leads out of the data set"):
        forgotten(dataset, sha256=GONE)
    assert sorted(place.rglob("*")) == before
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.tombstones() == []
