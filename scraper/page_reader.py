"""Read one results page at a time in a browser: what it is, what it shows, the bytes it got."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from scraper.engines.results_page import ResultsPage
from scraper.harvest import BrowserLost, Found, Stretch, Unreachable
from scraper.network_log import NetworkLog
from scraper.page_state import PageFacts, PageState, page_state
from scraper.previews import Fetched

STRETCH_MS = 6000
PATIENCE_MS = 1200
BATCH = 100
HTTP_ERRORS = 400
_SCRIPTS = Path(__file__).parent


class Tab(Protocol):
    """What reading a page needs of a browser; every method may raise BrowserLost."""

    def open(self, url: str) -> bool:
        """Load a page; return False when it did not end loading in time. Raises Unreachable."""

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        """Run a script in the page and return its value."""

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  the same
        """Run a script that calls back and return what it calls back with."""

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        """Return the log of DevTools messages since the last call."""

    def response_body(self, request_id: str) -> bytes | None:
        """Return the bytes that were received for a request, None when they are gone."""

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it."""

    def close(self) -> None:
        """End the browser."""


class PageReader:
    """Read the results pages of one engine, one after another, in one browser."""

    def __init__(self, tab: Tab, engine: ResultsPage) -> None:
        """Load the scripts that look at a page."""
        self._tab = tab
        self._engine = engine
        self._log = NetworkLog()
        self._read_page = (_SCRIPTS / "read_page.js").read_text(encoding="utf-8")
        self._page_facts = (_SCRIPTS / "page_facts.js").read_text(encoding="utf-8")

    @property
    def user_agent(self) -> str:
        """Return the browser's own user agent."""
        return str(self._tab.run("return navigator.userAgent"))

    def open(self, url: str) -> PageState:
        """Load a page and say what it is.

        Raises Unreachable when nothing answers, BrowserLost when the browser died.
        """
        self._read_log()  # what the last page still did
        self._log.clear()
        if not self._tab.open(url) and not self._is_readable():
            raise Unreachable("the page does not end loading")
        self._read_log()
        # An error status without a body is shown as an error page too, but it is an answer.
        if self._log.page_status is None and not self._is_readable():
            raise Unreachable("the browser shows its own error page")
        return page_state(self._facts())

    def stretch(self) -> Stretch:
        """Scroll one stretch and report it. Raises BrowserLost."""
        engine = self._engine
        settings = {
            "strategies": [
                {"name": s.name, "item": s.item, "id": s.id_attribute} for s in engine.strategies
            ],
            "more": engine.more_controls,
            "endTexts": engine.end_texts,
            "batch": BATCH,
            "milliseconds": STRETCH_MS,
            "patience": PATIENCE_MS,
        }
        report: dict[str, Any] = self._tab.run_async(self._read_page, settings)
        if "error" in report:
            raise BrowserLost(report["error"])
        self._read_log()
        return Stretch(
            found=tuple(_found(record) for record in report["records"]),
            unloaded=tuple(_found(record) for record in report["unloaded"]),
            at_bottom=report["bottom"],
            grew=report["grew"],
            clicked=report["clicked"],
            end_shown=report["end"],
            strategy=report["strategy"],
        )

    def body(self, url: str) -> Fetched | None:
        """Return the bytes the browser received for an address, None when it never asked."""
        request = self._log.find(url)
        if request is None:
            return None
        request_id, status = request
        data = self._tab.response_body(request_id)
        if data is None:
            return None
        if (status or 200) < HTTP_ERRORS:
            return Fetched(data, status)
        return Fetched(None, status, "http_error")

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it."""
        return self._tab.snapshot()

    def close(self) -> None:
        """End the browser."""
        self._tab.close()

    def _is_readable(self) -> bool:
        """Stop loading and say whether a page of the web stands there."""
        script = "window.stop(); return location.protocol + document.readyState"
        told = str(self._tab.run(script))
        return told.startswith("http") and not told.endswith("loading")

    def _facts(self) -> PageFacts:
        strategies = [asdict(strategy) for strategy in self._engine.strategies]
        facts: dict[str, Any] = self._tab.run(self._page_facts, strategies)
        self._read_log()
        return PageFacts(**facts, status=self._log.page_status)

    def _read_log(self) -> None:
        self._log.read(self._tab.network_log())


def _found(record: dict[str, Any]) -> Found:
    return Found(record["id"], record["page"], record["title"], record["site"], record["src"])
