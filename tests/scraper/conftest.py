"""Share one real browser between the tests that only look at pages, and a site of odd pages."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from support.odd_pages import Site

from scraper.browser.driver import Tab
from scraper.browser.results_page import PageReader
from scraper.engines.engine import Found
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.engines.results_page import ResultsPage
from scraper.gallery.origin import serving
from scraper.reader import Fetched, PageState, Stretch
from scraper.run.harvest import StopReason, harvest

PATIENCE_MS = 400


class Shared:
    """A tab that outlives its readers."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def open(self, url: str) -> bool:
        return self._tab.open(url)

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        return self._tab.run(script, *arguments)

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  the same
        return self._tab.run_async(script, *arguments)

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        return self._tab.network_log()

    def response_body(self, request_id: str) -> bytes | None:
        return self._tab.response_body(request_id)

    def snapshot(self) -> tuple[str, bytes]:
        return self._tab.snapshot()

    def close(self) -> None: ...


@dataclass(frozen=True)
class Visit:
    """What one visit to a page gave: what it was, why it ended, all results, the last stretch."""

    state: PageState
    reason: StopReason | None = None
    found: tuple[Found, ...] = ()
    last: Stretch | None = None
    reader: PageReader | None = None

    def body(self, src: str) -> Fetched | None:
        assert self.reader is not None
        return self.reader.body(src)


class Last:
    """A reader that remembers its last stretch."""

    def __init__(self, reader: PageReader) -> None:
        self.reader = reader
        self.last: Stretch | None = None

    user_agent = "test"

    def open(self, url: str) -> PageState:
        return self.reader.open(url)

    def stretch(self) -> Stretch:
        self.last = self.reader.stretch()
        return self.last

    def body(self, url: str) -> Fetched | None:
        return self.reader.body(url)

    def snapshot(self) -> tuple[str, bytes]:
        return self.reader.snapshot()

    def close(self) -> None: ...


@pytest.fixture(scope="session", name="tab")
def _tab() -> Iterator[Tab]:
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on the path")
    from scraper.browser.chromedriver import choose  # noqa: PLC0415  the same
    from scraper.browser.driver import Browser, local_driver  # noqa: PLC0415  Selenium, for browsers only

    browser = Browser(local_driver(choose(None, os.environ, shutil.which)))
    yield browser
    browser.close()


@pytest.fixture(name="visit")
def _visit(tab: Tab) -> Callable[..., Visit]:
    """Return a function that opens an address with an engine and harvests the page to its end."""

    def visit(
        url: str, engine: ResultsPage = GOOGLE_IMAGES, patience_ms: int = PATIENCE_MS
    ) -> Visit:
        reader = PageReader(Shared(tab), engine, patience_ms=patience_ms)
        state = reader.open(url)
        if state != "results":
            return Visit(state, reader=reader)
        results: list[Found] = []

        def keep(found: tuple[Found, ...]) -> int:
            results.extend(found)
            return 1

        last = Last(reader)
        reason = harvest(last, keep, monotonic, 60, lambda: False)
        return Visit(state, reason, tuple(results), last.last, reader)

    return visit


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    site = Site()
    with serving(site.pages), serving(site.consent):
        yield site
