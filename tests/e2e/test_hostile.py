"""The scraper against every behaviour of the gallery, in real Chromium: all of it, and no more."""

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.drawing import draw_jpeg

from sceneset.errors import BLOCKED, OK, PARTIAL
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from scraper.commands.scrape import scrape
from scraper.gallery.server import Gallery, Record, running_gallery
from scraper.gallery.settings import BEHAVIOURS, VINTAGES, Behaviour, GallerySettings, Vintage
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser

MANY = 80
SMALL = 8
BATCH = 30
SMALL_CLASSES = ("One", "Two", "Three")
# Behaviours that end a run otherwise than by reading it all.
ENDED: dict[Behaviour, tuple[str, int]] = {
    "stall": ("stalled", PARTIAL),
    "soft-block": ("blocked", BLOCKED),
    "no-results": ("nothing found", PARTIAL),
}
TESTED_APART: set[Behaviour] = {"sorry", "dripping"}
HOSTILE_SEEDS = (0, 1, 3, 4, 6)
# Read in every run of the tests; the other behaviours and mixes wait for `make test-slow`.
ALWAYS = {"bad-bytes", "consent", "failed-batch", "no-attributes", "virtualised"}


def apart(values: Sequence[Any], always: Container[Any]) -> list[Any]:
    """Mark as slow what need not be read in every run."""
    return [v if v in always else pytest.param(v, marks=pytest.mark.slow) for v in values]


@dataclass(frozen=True)
class Seen:
    """What a scrape of one class left: its outcome and its rows."""

    outcome: Outcome
    rows: list[tuple[Any, ...]]

    @property
    def reason(self) -> str:
        return str(self.outcome.summary["classes"]["Many"]["stopped_because"])


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for first, name in enumerate(("Many", *SMALL_CLASSES)):
        (root / name).mkdir()
        for number in range(SMALL if first else MANY):
            data = draw_jpeg(1000 * first + number, (246, 164), 60)
            (root / name / f"{number:03}.jpg").write_bytes(data)
    return root


Serve = Callable[..., AbstractContextManager[Gallery]]


@pytest.fixture(name="serve")
def _serve(pictures: Path) -> Serve:
    def serve(*behaviours: Behaviour, **more: Any) -> AbstractContextManager[Gallery]:  # noqa: ANN401  settings of any type
        values: dict[str, Any] = {"automatic": 1, "batch": BATCH, "delay_ms": 60} | more
        settings = GallerySettings(port=0, pictures=pictures, behaviours=behaviours, **values)
        return running_gallery(settings)

    return serve


def scraped(gallery: Gallery, folder: Path, *names: str) -> Outcome:
    (folder / "classes.txt").write_text("\n".join(names))
    settings = ScrapeSettings(
        classes=folder / "classes.txt",
        dataset=folder / "set",
        search_url=gallery.search_url,
        per_class=10 * MANY,
        pause=0,
        max_seconds=60,
        variants=False,
    )
    return scrape(settings=settings, output=Output(quiet=True))


def many(gallery: Gallery, folder: Path) -> Seen:
    outcome = scraped(gallery, folder, "Many")
    columns = "result_id, page_url, status, reason, sha256, title"
    with Manifest(folder / "set" / "manifest.db") as manifest:
        return Seen(outcome, manifest.query(f"SELECT {columns} FROM sightings"))  # noqa: S608  no input


def kept(rows: Sequence[tuple[Any, ...]]) -> set[str]:
    return {row[4] for row in rows if row[2] == "kept"}


def verdicts(records: Sequence[tuple[str, str, str]]) -> dict[str, Counter[tuple[str, str]]]:
    """Count statuses and reasons per sha256: of equal bytes any one may be the one kept."""
    counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for sha256, status, reason in records:
        counts[sha256][status, reason] += 1
    return counts


def assert_all_and_only(seen: Seen, truth: list[Record]) -> None:
    """Check yield, precision, ids and the verdict on each result."""
    good = {r["sha256"] for r in truth if r["status"] == "kept"}
    assert kept(seen.rows) - good == set(), "precision"
    assert len(good - kept(seen.rows)) == 0, "yield"
    by_page = {record["page"]: record for record in truth}
    assert Counter(row[1] for row in seen.rows) == Counter(by_page.keys()), "each result once"
    told = []
    for result_id, page, status, reason, _, _ in seen.rows:
        record = by_page[page]
        if record["id"] is not None:
            assert result_id in {record["docid"], record["thumb_id"]}
        told.append((record["sha256"], status, reason))
    assert len({row[0] for row in seen.rows}) == len(seen.rows)
    assert verdicts(told) == verdicts([(r["sha256"], r["status"], r["reason"]) for r in truth])


@pytest.fixture(name="mixed")
def _mixed(serve: Serve, tmp_path: Path) -> Callable[..., tuple[Gallery, Seen]]:
    def run(*behaviours: Behaviour, **more: Any) -> tuple[Gallery, Seen]:  # noqa: ANN401  the same
        with serve(*behaviours, **more) as gallery:
            seen = many(gallery, tmp_path)
            assert_all_and_only(seen, gallery.truth()["Many"])
        return gallery, seen

    return run


Mixed = Callable[..., tuple[Gallery, Seen]]


@pytest.mark.parametrize("name", apart(sorted(set(BEHAVIOURS) - TESTED_APART), ALWAYS))
def test_every_result_is_read_and_nothing_else(mixed: Mixed, name: Behaviour) -> None:
    gallery, seen = mixed(name)
    reason, code = ENDED.get(name, ("end of results", OK))
    assert (seen.reason, seen.outcome.exit_code) == (reason, code)
    assert gallery.consents in ([], ["rejected"])
    assert bool(gallery.consents) == name.startswith("consent")


@pytest.mark.parametrize("vintage", VINTAGES)
def test_every_vintage_is_read(mixed: Mixed, vintage: Vintage) -> None:
    _, seen = mixed(vintage=vintage)
    assert (seen.reason, seen.outcome.exit_code) == ("end of results", OK)


@pytest.mark.slow
@pytest.mark.parametrize("vintage", ["2022", "2024"])
def test_older_vintages_are_read_through_decoys_failures_and_a_virtual_list(
    mixed: Mixed, vintage: Vintage
) -> None:
    _, seen = mixed("decoys", "failed-batch", "virtualised", vintage=vintage)
    assert (seen.reason, seen.outcome.exit_code) == ("end of results", OK)


@pytest.mark.slow
def test_decoys_are_told_from_results_without_attributes(mixed: Mixed) -> None:
    _, seen = mixed("decoys", "no-attributes")
    assert (seen.reason, seen.outcome.exit_code) == ("end of results", OK)


@pytest.mark.parametrize("seed", apart(HOSTILE_SEEDS, {3}))
def test_a_hostile_mix_is_read_whole(mixed: Mixed, seed: int) -> None:
    gallery, seen = mixed(hostile=seed)
    assert (seen.reason, seen.outcome.exit_code) == ("end of results", OK)
    assert "accepted" not in gallery.consents


@pytest.mark.slow
def test_a_dripping_preview_times_out_and_the_others_are_read(mixed: Mixed) -> None:
    _, seen = mixed("dripping")
    assert (seen.reason, seen.outcome.exit_code) == ("end of results", OK)
    assert [row[2:4] for row in seen.rows if row[2] != "kept"] == [("failed", "timeout")] * 2


@pytest.fixture(name="blocked")
def _blocked(serve: Serve, tmp_path: Path) -> Iterator[tuple[Gallery, Outcome]]:
    with serve("sorry", loads_before_block=2) as gallery:
        yield gallery, scraped(gallery, tmp_path, *SMALL_CLASSES)


def test_a_block_ends_the_run_and_what_was_found_stays(
    blocked: tuple[Gallery, Outcome],
) -> None:
    gallery, outcome = blocked
    classes = outcome.summary["classes"]
    assert [one["stopped_because"] for one in classes.values()] == [
        "end of results",
        "end of results",
        "blocked",
    ]
    assert [one["kept"] for one in classes.values()] == [SMALL, SMALL, 0]
    assert outcome.exit_code == BLOCKED
    loads = [r.target for r in gallery.pages.requests if r.target.startswith(("/search", "/sorry"))]
    assert len(loads) == 4
