from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from support.drawing import draw_jpeg

from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset
from sceneset.manifest.store import Manifest
from scraper.engines.engine import SearchResult
from scraper.reader import BrowserLost, Fetched
from scraper.run.store import ClassStore, Tombstones

NO_TOMBSTONES = Tombstones(frozenset(), frozenset(), frozenset())


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.db") as opened:
        opened.adopt_classes([SceneClass("Beach", ("Beach",))])
        opened.start_run("scrape", {}, {})
        yield opened


def store(manifest: Manifest, root: Path, wanted: int = 10, **more: object) -> ClassStore:
    values: dict[str, object] = {"attempts": 2, "tombstones": NO_TOMBSTONES} | more
    return ClassStore(
        dataset=Dataset(root),
        manifest=manifest,
        engine="google",
        class_id=1,
        run_id=1,
        target=wanted,
        **values,  # type: ignore[arg-type]
    )


def results(number: int, start: int = 0) -> list[SearchResult]:
    return [
        SearchResult(
            f"r{i}", f"https://site{i}.example/page", f"title {i}", "", f"https://t.example/{i}"
        )
        for i in range(start, start + number)
    ]


def bytes_of(src: str) -> Fetched:
    return Fetched(draw_jpeg(int(src.rsplit("/", 1)[1])), 200)


def statuses(manifest: Manifest) -> dict[str, str]:
    return dict(manifest.query("SELECT result_id, status || ':' || reason FROM sightings"))


def test_a_kept_picture_is_a_file_named_by_its_content(manifest: Manifest, tmp_path: Path) -> None:
    assert store(manifest, tmp_path).keep(results(2), bytes_of) == 2
    for image in manifest.images():
        assert (tmp_path / image.path).stem == image.sha256
        assert (tmp_path / image.path).stat().st_size == image.bytes


def test_no_more_is_stored_than_wanted(manifest: Manifest, tmp_path: Path) -> None:
    few = store(manifest, tmp_path, wanted=3)
    few.keep(results(9), bytes_of)
    assert len(statuses(manifest)) == 3
    assert few.wanted == 0


def test_a_second_run_adds_nothing(manifest: Manifest, tmp_path: Path) -> None:
    store(manifest, tmp_path).keep(results(4), bytes_of)
    before = statuses(manifest)
    assert store(manifest, tmp_path).keep(results(4), bytes_of) == 0
    assert statuses(manifest) == before


def test_every_result_ends_in_one_status(manifest: Manifest, tmp_path: Path) -> None:
    answers = {
        "https://t.example/0": Fetched(draw_jpeg(0)),
        "https://t.example/1": Fetched(draw_jpeg(0)),
        "https://t.example/2": Fetched(b"<html>"),
        "https://t.example/3": Fetched(None, 404, "http_error"),
        "https://t.example/4": Fetched(draw_jpeg(4)[:600]),
    }
    store(manifest, tmp_path).keep(results(5), answers.__getitem__)
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
        store(manifest, tmp_path, attempts=3).keep(results(1), fail)
    assert len(tried) == 3
    assert store(manifest, tmp_path, attempts=9).keep(results(1), bytes_of) == 1
    assert manifest.query("SELECT status, attempts FROM sightings") == [("kept", 4)]


def test_what_was_forgotten_never_comes_back(manifest: Manifest, tmp_path: Path) -> None:
    tombstones = Tombstones.of(
        [(None, "site0.example", None), (None, None, "https://site1.example/page")]
    )
    store(manifest, tmp_path, tombstones=tombstones).keep(results(3), bytes_of)
    assert statuses(manifest) == {
        "r0": "rejected:forgotten",
        "r1": "rejected:forgotten",
        "r2": "kept:",
    }


def test_a_result_of_another_query_is_noted_not_stored_twice(
    manifest: Manifest, tmp_path: Path
) -> None:
    both = store(manifest, tmp_path)
    both.begin("Beach")
    both.keep(results(2), bytes_of)
    both.begin("sandy beach")
    both.keep(reversed(results(3)), bytes_of)
    assert len(statuses(manifest)) == 3
    assert manifest.query("SELECT result_id, query, rank FROM sightings ORDER BY 1") == [
        ("r0", "Beach", 1),
        ("r1", "Beach", 2),
        ("r2", "sandy beach", 1),
    ]
    assert manifest.query(
        "SELECT result_id, q.query, q.rank FROM sighting_queries q"
        " JOIN sightings s ON s.id = sighting_id ORDER BY 1"
    ) == [("r0", "sandy beach", 3), ("r1", "sandy beach", 2)]


def test_a_file_without_a_row_is_adopted_not_written_again(
    manifest: Manifest, tmp_path: Path
) -> None:
    first = store(manifest, tmp_path)
    first.keep(results(1), bytes_of)
    (image,) = manifest.images()
    inode = (tmp_path / image.path).stat().st_ino
    with manifest.transaction():
        manifest.query("DELETE FROM sightings")
        manifest.query("DELETE FROM images")
    store(manifest, tmp_path).keep(results(1), bytes_of)
    assert (tmp_path / image.path).stat().st_ino == inode
    assert statuses(manifest) == {"r0": "kept:"}


def test_a_browser_lost_in_the_middle_loses_nothing_before_it(
    manifest: Manifest, tmp_path: Path
) -> None:
    def lost_at_five(src: str) -> Fetched:
        if src.endswith("/5"):
            raise BrowserLost("driver gone")
        return bytes_of(src)

    half = store(manifest, tmp_path, wanted=8)
    with pytest.raises(BrowserLost):
        half.keep(results(10), lost_at_five)
    assert len(statuses(manifest)) == 5
    half.begin("Beach")
    half.keep(results(10), bytes_of)
    assert set(statuses(manifest).values()) == {"kept:"}
    assert len(statuses(manifest)) == len(manifest.images()) == 8


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_lost_file_is_put_back_by_the_next_run(
    manifest: Manifest, tmp_path: Path, damage: str
) -> None:
    store(manifest, tmp_path, wanted=3).keep(results(3), bytes_of)
    image = manifest.images()[1]
    path = tmp_path / image.path
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[:50])
    again = store(manifest, tmp_path, wanted=3)
    assert again.wanted == 1
    again.keep(results(3), bytes_of)
    assert path.read_bytes() == whole
    assert len(statuses(manifest)) == 3


def test_a_request_to_stop_is_heard_within_a_batch(manifest: Manifest, tmp_path: Path) -> None:
    requests = iter([False, False, True])
    until_request = takewhile(lambda _: not next(requests), results(9))
    assert store(manifest, tmp_path).keep(until_request, bytes_of) == 2


@pytest.mark.parametrize(
    ("page", "site", "refused"),
    [
        ("https://a.example/1", "", True),
        ("https://pictures.a.example/1", "", True),
        ("https://nota.example/1", "", False),
        ("", "a.example", True),
        ("", "WWW.A.example.", True),
        ("https://other.example/", "b.a.example", True),
        ("http://[broken/1", "", False),
        ("", "", False),
    ],
)
def test_a_forgotten_site_is_refused_with_its_subdomains(
    page: str,
    site: str,
    *,
    refused: bool,
) -> None:
    forgotten = Tombstones.of([(None, "a.example", None)])
    assert forgotten.cover("0" * 64, page, site) == refused


def test_a_forgotten_page_is_refused_however_it_is_spelt() -> None:
    forgotten = Tombstones.of([(None, None, "http://A.example/p/")])
    assert forgotten.cover("0" * 64, "https://a.example:443/p#top")
    assert not forgotten.cover("0" * 64, "https://a.example/p?page=2")
