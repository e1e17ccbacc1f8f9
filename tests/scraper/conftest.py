"""Share one real browser between the tests that only look at pages, and a site of odd pages."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

import pytest
from support.odd_pages import Site

from scraper.browser.chromedriver import choose
from scraper.browser.driver import Browser, local_driver
from scraper.browser.results_page import PageReader
from scraper.engines.engine import ResultsPage, SearchResult
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.gallery.origin import serving
from scraper.page_state import PageState
from scraper.reader import Fetched, ResultBatch
from scraper.run.harvest import Harvest, StopReason

PATIENCE_MS = 400


@dataclass(frozen=True)
class Visit:
    """What one visit to a page gave: what it was, why it ended, all results, the last batch."""

    state: PageState
    reason: StopReason | None = None
    results: tuple[SearchResult, ...] = ()
    last: ResultBatch | None = None
    reader: PageReader | None = None

    def body(self, src: str) -> Fetched | None:
        assert self.reader is not None
        return self.reader.body(src)


@pytest.fixture(scope="session", name="shared_browser")
def _shared_browser() -> Iterator[Browser]:
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on the path")
    browser = Browser(*local_driver(choose(None, os.environ, shutil.which)))
    yield browser
    browser.close()


@pytest.fixture(name="visit")
def _visit(shared_browser: Browser) -> Callable[..., Visit]:
    """Return a function that opens a URL with an engine and harvests the page to its end."""

    def visit(
        url: str, engine: ResultsPage = GOOGLE_IMAGES, patience_ms: int = PATIENCE_MS
    ) -> Visit:
        reader = PageReader(shared_browser, engine, patience_ms=patience_ms)
        state = reader.open(url)
        if state != "results":
            return Visit(state, reader=reader)
        harvest = Harvest(reader, wanted=1, deadline=monotonic() + 60)
        batches = list(harvest)
        results = tuple(result for batch in batches for result in batch.results)
        return Visit(state, harvest.reason, results, batches[-1], reader)

    return visit


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    site = Site()
    with serving(site.pages), serving(site.consent):
        yield site
