from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support import draw_jpeg

from pipeline.class_list import SceneClass
from pipeline.dataset import Dataset
from pipeline.manifest import Manifest, now
from scraper.harvest import Found
from scraper.previews import Fetched
from scraper.storing import ClassStore, Refused

NOTHING_REFUSED = Refused(frozenset(), frozenset(), frozenset())


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.db") as opened:
        opened.adopt_classes([SceneClass("Beach", ("Beach",))])
        opened.start_run("scrape", {}, {})
        yield opened


def store(manifest: Manifest, root: Path, wanted: int = 10, **more: object) -> ClassStore:
    values: dict[str, object] = {"attempts": 2, "refused": NOTHING_REFUSED} | more
    return ClassStore(
        dataset=Dataset(root),
        manifest=manifest,
        engine="google",
        class_id=1,
        run_id=1,
        wanted=wanted,
        now=now,
        **values,  # type: ignore[arg-type]
    )


def results(number: int, start: int = 0) -> list[Found]:
    return [
        Found(f"r{i}", f"https://site{i}.example/page", f"title {i}", "", f"https://t.example/{i}")
        for i in range(start, start + number)
    ]


def bytes_of(src: str) -> Fetched:
    return Fetched(draw_jpeg(int(src.rsplit("/", 1)[1])), 200)


def statuses(manifest: Manifest) -> dict[str, str]:
    return dict(manifest.query("SELECT result_id, status || ':' || reason FROM sightings"))


def test_a_kept_picture_is_a_file_named_by_its_content(manifest: Manifest, tmp_path: Path) -> None:
    assert store(manifest, tmp_path).keep(results(2), "Beach", bytes_of) == (2, 2)
    for image in manifest.images():
        assert (tmp_path / image.path).stem == image.sha256
        assert (tmp_path / image.path).stat().st_size == image.bytes


def test_no_more_is_stored_than_wanted(manifest: Manifest, tmp_path: Path) -> None:
    few = store(manifest, tmp_path, wanted=3)
    few.keep(results(9), "Beach", bytes_of)
    assert len(statuses(manifest)) == 3
    assert few.wanted == 0


def test_a_second_run_adds_nothing(manifest: Manifest, tmp_path: Path) -> None:
    store(manifest, tmp_path).keep(results(4), "Beach", bytes_of)
    before = statuses(manifest)
    assert store(manifest, tmp_path).keep(results(4), "Beach", bytes_of) == (0, 0)
    assert statuses(manifest) == before


def test_every_result_ends_in_one_status(manifest: Manifest, tmp_path: Path) -> None:
    answers = {
        "https://t.example/0": Fetched(draw_jpeg(0)),
        "https://t.example/1": Fetched(draw_jpeg(0)),
        "https://t.example/2": Fetched(b"<html>"),
        "https://t.example/3": Fetched(None, 404, "http_error"),
        "https://t.example/4": Fetched(draw_jpeg(4)[:600]),
    }
    store(manifest, tmp_path).keep(results(5), "Beach", answers.__getitem__)
    assert statuses(manifest) == {
        "r0": "kept:",
        "r1": "duplicate:",
        "r2": "rejected:not_a_picture",
        "r3": "failed:http_error",
        "r4": "rejected:truncated",
    }
    assert len(manifest.images()) == 1


def test_a_failed_result_is_tried_again_while_attempts_last(
    manifest: Manifest, tmp_path: Path
) -> None:
    tried: list[str] = []

    def fail(src: str) -> Fetched:
        tried.append(src)
        return Fetched(None, None, "timeout")

    for _ in range(4):
        store(manifest, tmp_path, attempts=3).keep(results(1), "Beach", fail)
    assert len(tried) == 3
    assert store(manifest, tmp_path, attempts=9).keep(results(1), "Beach", bytes_of) == (1, 1)
    assert manifest.query("SELECT status, attempts FROM sightings") == [("kept", 4)]


def test_what_was_forgotten_never_comes_back(manifest: Manifest, tmp_path: Path) -> None:
    refused = Refused.of(
        [(None, "site0.example", None), (None, None, "https://site1.example/page")]
    )
    store(manifest, tmp_path, refused=refused).keep(results(3), "Beach", bytes_of)
    assert statuses(manifest) == {
        "r0": "rejected:forgotten",
        "r1": "rejected:forgotten",
        "r2": "kept:",
    }


def test_a_result_of_another_query_is_noted_not_stored_twice(
    manifest: Manifest, tmp_path: Path
) -> None:
    both = store(manifest, tmp_path)
    both.keep(results(2), "Beach", bytes_of)
    both.keep(results(3), "sandy beach", bytes_of)
    assert len(statuses(manifest)) == 3
    assert len(manifest.query("SELECT * FROM sighting_queries")) == 2


def test_a_file_without_a_row_is_adopted_not_written_again(
    manifest: Manifest, tmp_path: Path
) -> None:
    first = store(manifest, tmp_path)
    first.keep(results(1), "Beach", bytes_of)
    (image,) = manifest.images()
    inode = (tmp_path / image.path).stat().st_ino
    with manifest.transaction():
        manifest.query("DELETE FROM sightings")
        manifest.query("DELETE FROM images")
    store(manifest, tmp_path).keep(results(1), "Beach", bytes_of)
    assert (tmp_path / image.path).stat().st_ino == inode
    assert statuses(manifest) == {"r0": "kept:"}
