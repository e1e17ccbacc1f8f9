from pathlib import Path

import forget_support
import pytest
from forget_support import GONE, forgotten, is_sound

from pipeline.checksums import altered_files, write_checksums
from pipeline.dataset import Dataset, run_lock
from pipeline.errors import DamagedDataError, LockedError, UsageError
from pipeline.manifest import Manifest
from pipeline.published import read_pictures, read_record, record_json

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
    assert is_sound(dataset)
    assert (dataset.root / dataset.raw_name(GONE, "jpg")).is_file()


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
