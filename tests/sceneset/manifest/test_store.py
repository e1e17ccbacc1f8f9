import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sceneset.class_list import SceneClass
from sceneset.errors import ClassListError, DamagedDataError, translate_error
from sceneset.manifest.rows import ImageRow, SightingRow
from sceneset.manifest.store import Manifest, now

BEACH = SceneClass("Beach", ("Beach",))


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.db") as opened:
        yield opened


def image(sha256: str) -> ImageRow:
    return ImageRow(sha256, f"raw/{sha256}", "JPEG", 200, 100, 1234, now())


def sighting(run_id: int, class_id: int, result: str, **more: object) -> SightingRow:
    values: dict[str, object] = {"status": "kept", "sha256": None} | more
    return SightingRow(
        engine="google",
        class_id=class_id,
        query="Beach",
        rank=1,
        result_id=result,
        run_id=run_id,
        seen_at=now(),
        **values,  # type: ignore[arg-type]
    )


def test_a_class_keeps_its_id_when_others_come(manifest: Manifest) -> None:
    first = manifest.adopt_classes([BEACH])["Beach"]
    ids = manifest.adopt_classes([SceneClass("Airplane", ("jet",)), BEACH])
    assert ids["Beach"] == first
    assert {row.name: row.queries for row in manifest.classes()}["Airplane"] == ("jet",)


def test_a_class_that_differs_in_case_only_is_refused(manifest: Manifest) -> None:
    manifest.adopt_classes([BEACH])
    with pytest.raises(ClassListError, match="already in this data set"):
        manifest.adopt_classes([SceneClass("beach", ("beach",))])


def test_a_result_is_stored_once_and_only_a_failed_one_is_replaced(manifest: Manifest) -> None:
    class_id = manifest.adopt_classes([BEACH])["Beach"]
    run = manifest.start_run("scrape", {}, {})
    manifest.insert([image("aa"), image("bb")])
    manifest.record_sightings([sighting(run, class_id, "r1", status="failed", reason="timeout")])
    manifest.record_sightings([sighting(run, class_id, "r1", sha256="aa", attempts=2)])
    manifest.record_sightings([sighting(run, class_id, "r1", sha256="bb", attempts=3)])
    assert manifest.known_results("google", class_id) == {"r1": ("kept", 2)}
    assert manifest.class_pictures(class_id) == {"aa"}


def test_a_result_under_another_query_adds_only_that(manifest: Manifest) -> None:
    class_id = manifest.adopt_classes([BEACH])["Beach"]
    run = manifest.start_run("scrape", {}, {})
    manifest.insert([image("aa")])
    manifest.record_sightings([sighting(run, class_id, "r1", sha256="aa")])
    for query in ("Beach", "sandy beach", "sandy beach"):
        manifest.record_query(("google", class_id, "r1"), query, 7)
    assert manifest.query("SELECT query, rank FROM sighting_queries") == [("sandy beach", 7)]
    assert manifest.sighting_counts() == {class_id: {"kept": 1}}


def test_a_transaction_happens_whole_or_not(manifest: Manifest) -> None:
    with pytest.raises(sqlite3.IntegrityError), manifest.transaction():
        manifest.insert([image("aa")])
        manifest.record_sightings([sighting(99, 99, "r1", sha256="missing")])
    assert manifest.images() == []


def test_a_kept_picture_comes_once_with_its_best_rank(manifest: Manifest) -> None:
    class_id = manifest.adopt_classes([BEACH])["Beach"]
    run = manifest.start_run("scrape", {}, {})
    manifest.insert([image("aa")])
    manifest.record_sightings([sighting(run, class_id, "r1", sha256="aa")])
    (picture,) = manifest.kept_pictures()
    assert (picture.sha256, picture.rank, picture.width) == ("aa", 1, 200)


def test_a_status_outside_the_four_is_refused(manifest: Manifest) -> None:
    class_id = manifest.adopt_classes([BEACH])["Beach"]
    run = manifest.start_run("scrape", {}, {})
    with pytest.raises(sqlite3.IntegrityError):
        manifest.record_sightings([sighting(run, class_id, "r1", status="maybe")])


def test_a_manifest_of_the_future_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "manifest.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DamagedDataError, match="schema 99"):
        Manifest(tmp_path / "manifest.db")


def test_a_file_that_is_no_database_is_damaged_data(tmp_path: Path) -> None:
    (tmp_path / "manifest.db").write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError) as trouble:
        Manifest(tmp_path / "manifest.db")
    error = translate_error(trouble.value)
    assert error is not None
    assert error.exit_code == 5


def test_a_full_disk_in_the_middle_is_a_full_disk_and_not_damage(manifest: Manifest) -> None:
    manifest.query("PRAGMA max_page_count = 30")
    with pytest.raises(sqlite3.OperationalError) as trouble, manifest.transaction():
        manifest.insert([image(f"{n:064}") for n in range(5000)])
    error = translate_error(trouble.value)
    assert error is not None
    assert error.exit_code == 73
    assert manifest.images() == []


def test_many_can_open_a_new_manifest_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            with Manifest(tmp_path / "new.db") as opened:
                opened.classes()
        except BaseException as error:  # noqa: BLE001  a thread must report it
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_run_that_has_ended_stays_as_it_ended(manifest: Manifest) -> None:
    run_id = manifest.start_run("curate", {}, {})
    manifest.finish_run(run_id, "published", {"number": 3})
    manifest.finish_run(run_id, "interrupted", {})
    (run,) = manifest.runs("curate")
    assert (run.outcome, run.counts) == ("published", {"number": 3})
