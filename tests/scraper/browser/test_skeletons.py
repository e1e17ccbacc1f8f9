"""The skeletons of two real results pages, and what is left of them without names or attributes."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.drawing import draw_jpeg

from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from scraper.commands.scrape import scrape
from scraper.engines.engine import SearchResult
from scraper.gallery.origin import NOT_FOUND, Answer, Origin, Request, serving
from scraper.http.previews import fetch, judge
from scraper.reader import Fetched
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser
HTML = "text/html; charset=utf-8"
RESULTS = {"2022-05": 48, "2024-08": 100}
RELATED = 12
WINNERS = {"2022-05": "tbnid", "2024-08": "docid and landing page"}
THUMB = re.compile(r"/thumb/(\d+)\.jpg")
NAMES = re.compile(r"\b(class|jsname|jscontroller|jsaction|aria-label|value|id)=\"([^\"]*)\"")
KNOWN_IDS = re.compile(r"dimg_|^(rso|search|islrg)$")
ATTRIBUTES = re.compile(
    r" data-(docid|ref-docid|lpage|attrid|ri|id|tbnid|rel|imgrc|deckid|csiid)=\"[^\"]*\""
)
Visitor = Callable[..., Any]


@pytest.fixture(name="page", params=RESULTS)
def _page(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, str]:
    """Return a skeleton's vintage and its HTML."""
    path = shared_data / "google-images" / f"{request.param}.html"
    return request.param, path.read_text(encoding="utf-8")


@contextmanager
def served(html: str) -> Iterator[Origin]:
    """Serve a page, and a picture of its own at each thumbnail's URL."""

    def respond(request: Request) -> Answer:
        number = THUMB.fullmatch(request.path)
        if number:
            size = int(request.query["w"]), int(request.query["h"])
            return Answer(drawn(int(number[1]), size), "image/jpeg")
        return Answer(html.encode(), HTML) if request.path == "/search" else NOT_FOUND

    with serving(Origin(0, respond)) as origin:
        yield origin


@cache
def drawn(number: int, size: tuple[int, int]) -> bytes:
    return draw_jpeg(number, size, 70)


def renamed(html: str) -> str:
    """Give every name that sites change a new one, and every label another language."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        kind, value = match.groups()
        if kind == "id" and KNOWN_IDS.search(value):
            return match[0]
        words = [names.setdefault(word, f"z{len(names)}") for word in value.split()]
        return f'{kind}="{" ".join(words)}"'

    return NAMES.sub(rename, html).replace("More results", "もっと見る")


def bare(html: str) -> str:
    """Take every attribute that tells a result from other things, too."""
    return ATTRIBUTES.sub("", renamed(html))


def thumbnails_of_related(html: str) -> set[str]:
    """Return the paths of the related pictures' thumbnails; their ids may be those of results."""
    chunks = re.split(r"<div [^>]*data-rel=\"1\"", html)[1:]
    return {match[0] for chunk in chunks if (match := THUMB.search(chunk))}


def served_by(origin: Origin, src: str) -> Fetched:
    """Fetch a thumbnail that the page left to us."""
    parts = urlsplit(src)
    query = dict(pair.split("=") for pair in parts.query.split("&"))
    answer = origin.respond(Request(src, parts.path, query))
    return Fetched(answer.data, answer.status)


def assert_whole(found: tuple[SearchResult, ...], count: int, visit: Any, origin: Origin) -> None:  # noqa: ANN401  a Visit
    assert len({f.result_id for f in found}) == len(found) == count
    for one in found:
        fetched = fetch(one.src, (visit.body, lambda src: served_by(origin, src)))
        assert fetched.data is not None, one
        assert judge(fetched.data).header is not None, one


def test_each_result_of_a_real_page_is_read_and_no_related_picture(
    page: tuple[str, str], visit: Visitor
) -> None:
    vintage, html = page
    with served(html) as origin:
        seen = visit(f"{origin.url}/search?q=beach")
        assert seen.last is not None
        assert (seen.last.strategy, seen.last.last_resort) == (WINNERS[vintage], False)
        assert_whole(seen.results, RESULTS[vintage], seen, origin)
    related = thumbnails_of_related(html)
    assert len(related) == RELATED
    assert not related & {urlsplit(f.src).path for f in seen.results}


@pytest.mark.slow
def test_names_in_other_words_change_nothing(page: tuple[str, str], visit: Visitor) -> None:
    vintage, html = page
    with served(renamed(html)) as origin:
        seen = visit(f"{origin.url}/search?q=beach")
        assert seen.last is not None
        assert seen.last.strategy == WINNERS[vintage]
        assert_whole(seen.results, RESULTS[vintage], seen, origin)


@pytest.mark.slow
def test_structure_alone_finds_the_same_results(page: tuple[str, str], visit: Visitor) -> None:
    vintage, html = page
    with served(bare(html)) as origin:
        seen = visit(f"{origin.url}/search?q=beach")
        assert seen.last is not None
        assert (seen.last.strategy, seen.last.last_resort) == ("structure alone", True)
        assert_whole(seen.results, RESULTS[vintage], seen, origin)


@pytest.mark.slow
def test_a_scrape_of_a_real_page_keeps_every_preview(page: tuple[str, str], tmp_path: Path) -> None:
    vintage, html = page
    (tmp_path / "classes.txt").write_text("Beach\n")
    with served(html) as origin:
        settings = ScrapeSettings(
            classes=tmp_path / "classes.txt",
            dataset=tmp_path / "set",
            search_url=origin.url + "/search?q={query}",
            per_class=RESULTS[vintage],
            pause=0,
            variants=False,
        )
        scrape(settings=settings, output=Output(quiet=True))
        requests = [r.target for r in origin.requests if THUMB.match(r.target)]
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        rows = manifest.query("SELECT status, count(*) FROM sightings GROUP BY status")
    assert sum(count for _, count in rows) == RESULTS[vintage]
    assert {status for status, _ in rows} <= {"kept", "duplicate"}
    assert len(requests) == len(set(requests))
