"""Read one results page at a time in a browser: what it is, what it shows, the bytes it got."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal

from sceneset.images import MAX_BYTES
from scraper.browser.driver import Browser
from scraper.engines.engine import ResultsPage, SearchResult
from scraper.http.rate_limit import retry_after
from scraper.page_state import UNAVAILABLE, PageFacts, PageState, is_sorry, page_state
from scraper.reader import BrowserLost, Fetched, ResultBatch, TryLater, Unreachable

BATCH_MS = 6000
PATIENCE_MS = 1200
BATCH = 100
HTTP_ERRORS = 400
ENDLESS = "the page does not end loading"
POLL_S = 0.05
LATE_S = 3.0
LATE_LOOKS = 2
LATE_LOG_S = 0.3
LATE_BYTES_S = 3.0
CONSENT_S = 10.0
MOST_REFUSALS = 3
_SCRIPTS = Path(__file__).parent / "js"
_BATCH_REQUESTS = frozenset({"XHR", "Fetch"})


@dataclass(slots=True)
class Received:
    """What became of one request: HTTP status, decoded bytes so far, how it ended.

    `withheld` says that the answer came and the browser did not give it to the page.
    """

    request_id: str
    kind: str
    status: int | None = None
    size: int = 0
    end: Literal["running", "finished", "failed"] = "running"
    withheld: bool = False


@dataclass
class NetworkLog:
    """The requests of one page load, from the driver's performance log."""

    page_status: int | None = None
    page_headers: dict[str, str] = field(default_factory=dict)
    page_urls: list[str] = field(default_factory=list)
    _frame: str | None = None
    _of_url: dict[str, Received] = field(default_factory=dict)
    _of_id: dict[str, Received] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Say whether the page still waits for an answer to a request of its scripts."""
        return any(r.kind in _BATCH_REQUESTS and r.end == "running" for r in self._of_id.values())

    def read(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take in log entries, each with a JSON `message` of the DevTools protocol."""
        for entry in entries:
            event = json.loads(entry["message"])["message"]
            self._record(event["method"].removeprefix("Network."), event["params"])

    def find(self, url: str) -> Received | None:
        """Return what became of the picture at a URL, None when it was never requested."""
        return self._of_url.get(url)

    def _record(self, method: str, params: Mapping[str, Any]) -> None:
        received = self._of_id.get(params.get("requestId", ""))
        if method == "requestWillBeSent":
            self._sent(params)
        elif method == "responseReceived" and params.get("type") == "Document":
            self._document_answered(params, params["response"])
        elif received is None:
            return
        elif method == "responseReceived":
            received.status = int(params["response"]["status"])
            if received.kind == "Image":
                self._of_url.setdefault(params["response"]["url"], received)
        elif method == "dataReceived":
            received.size += int(params["dataLength"])
        elif method in {"loadingFinished", "requestServedFromCache"}:
            received.end = "finished"
        elif method == "loadingFailed":
            received.end = "failed"
            blocked = "BLOCKED" in params.get("errorText", "")
            received.withheld = blocked or bool(params.get("canceled"))

    def _sent(self, params: Mapping[str, Any]) -> None:
        kind, url = params.get("type", ""), params["request"]["url"]
        if kind == "Document":
            self._frame = self._frame or params.get("frameId")
            if params.get("frameId") == self._frame and url.startswith("http"):
                self.page_urls.append(url)
        elif (kind == "Image" and url.startswith("http")) or kind in _BATCH_REQUESTS:
            received = Received(params["requestId"], kind)
            self._of_id[received.request_id] = received
            if kind == "Image":
                self._of_url[url] = received

    def _document_answered(self, params: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """Keep the answer of the page itself, not of a frame in it; the last one counts."""
        if not response["url"].startswith("http"):
            return
        if self.page_status is None or (self._frame and params.get("frameId") == self._frame):
            self.page_status = int(response["status"])
            headers = response.get("headers", {})
            self.page_headers = {name.lower(): str(value) for name, value in headers.items()}


@dataclass
class PageReader:
    """Read the results pages of one engine, one after another, in one browser.

    `patience_ms` is for what a page shows late.
    """

    browser: Browser
    engine: ResultsPage
    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep
    patience_ms: int = PATIENCE_MS
    _log: NetworkLog = field(default_factory=NetworkLog)
    _busy: bool = False
    _late_s: float = LATE_BYTES_S

    @property
    def user_agent(self) -> str:
        """Return the browser's own user agent."""
        return str(self.browser.run("return navigator.userAgent"))

    def open(self, url: str) -> PageState:
        """Load a page, refuse consent if it asks for it, and say what it is.

        Raises Unreachable when nothing answers, TryLater when the server asks for patience,
        BrowserLost when the browser died.
        """
        self._read_log()  # what the last page still did
        self._log = NetworkLog()
        self._busy = False
        self._late_s = LATE_BYTES_S
        loaded = self._load(url)
        facts = self._settled_facts()
        for _ in range(MOST_REFUSALS):
            if not facts.consent or page_state(facts) == "blocked" or not self._refuse():
                break
            facts = self._settled_facts()
        state = page_state(facts)
        if not loaded and state == "layout unknown":
            raise Unreachable(ENDLESS)
        if state in {"layout unknown", "nothing found"} and (facts.status or 0) >= HTTP_ERRORS:
            raise Unreachable(f"the server answers with HTTP status {facts.status}")
        if facts.status == UNAVAILABLE and state == "blocked" and not facts.captcha:
            header = self._log.page_headers.get("retry-after")
            raise TryLater(retry_after(header) or 0.0)
        return state

    def next_batch(self) -> ResultBatch:
        """Scroll on and return what came. Raises BrowserLost."""
        report: dict[str, Any] = self.browser.run_async(_script("read_page.js"), self._settings())
        if "error" in report:
            raise BrowserLost(report["error"])
        self._read_log()
        self._busy = self._log.busy
        last_resorts = {one.name for one in self.engine.strategies if one.last_resort}
        return ResultBatch(
            results=tuple(map(_result, report["records"])),
            unloaded=tuple(map(_result, report["unloaded"])),
            at_bottom=report["bottom"],
            grew=report["grew"],
            clicked=report["clicked"],
            end_shown=report["end"],
            strategy=report["strategy"],
            busy=self._busy,
            retrying=report["retrying"],
            last_resort=report["strategy"] in last_resorts,
        )

    def body(self, url: str) -> Fetched | None:
        """Return the bytes the browser received from a URL, None when it has none to give.

        An answer that is not complete counts as a timeout: half a picture is none.
        """
        received = self._log.find(url)
        if received is None:
            return None
        self._await_end(received)
        if received.size > MAX_BYTES:
            return Fetched(None, received.status, "too_large")
        if received.status is not None and received.status >= HTTP_ERRORS:
            return Fetched(None, received.status, "http_error")
        if received.end == "running":
            return Fetched(None, received.status, "timeout")
        if received.end == "failed":
            return None if received.withheld else Fetched(None, received.status, "http_error")
        data = self.browser.response_body(received.request_id)
        gone = data is None or (not data and received.size > 0)
        return None if gone else Fetched(data, received.status)

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it."""
        return self.browser.snapshot()

    def close(self) -> None:
        """Close the browser."""
        self.browser.close()

    def _load(self, url: str) -> bool:
        """Load a page; return False when it did not end loading but stands there.

        An error status without a body shows an error page too, but is an answer.
        """
        loaded, trouble = False, ENDLESS
        try:
            loaded = self.browser.open(url)
        except Unreachable as error:
            trouble = str(error)
        self._read_log()
        log = self._log
        if loaded and log.page_status is not None:
            return True
        refused = (log.page_status or 0) >= HTTP_ERRORS or any(map(is_sorry, log.page_urls))
        script = "if (arguments[0]) window.stop(); return location.protocol + document.readyState"
        shown = str(self.browser.run(script, not loaded))
        is_readable = shown.startswith("http") and not shown.endswith("loading")
        if not is_readable and not refused:
            raise Unreachable("the browser shows its own error page" if loaded else trouble)
        return loaded or refused

    def _settled_facts(self) -> PageFacts:
        """Look at a page that shows nothing yet again, while it waits and shortly after."""
        until = self.clock() + LATE_S
        facts = self._facts()
        looks = 0
        while self.clock() < until:
            if not (facts.empty_main or page_state(facts) in {"nothing found", "layout unknown"}):
                break
            looks = LATE_LOOKS if self._log.busy else looks - 1
            if looks < 0:
                break
            self.sleep(POLL_S)
            facts = self._facts()
        return facts

    def _refuse(self) -> bool:
        """Refuse consent and wait until the page no longer asks; say whether it could."""
        if not self.browser.run(_script("refuse_consent.js"), self._settings()):
            return False
        until = self.clock() + CONSENT_S
        while self.clock() < until:
            self.sleep(POLL_S)
            if not self._facts().consent:
                return True
        return False

    def _facts(self) -> PageFacts:
        facts: dict[str, Any] = self.browser.run(_script("page_facts.js"), self._settings())
        self._read_log()
        log = self._log
        return PageFacts(**facts, status=log.page_status, passed=tuple(log.page_urls))

    def _await_end(self, received: Received) -> None:
        """Wait for the end of an answer: a moment for the log, and some seconds a page for slow ones."""
        began = self.clock()
        until = began + max(LATE_LOG_S, self._late_s)
        while received.end == "running" and received.size <= MAX_BYTES and self.clock() < until:
            self._read_log()
            if received.end == "running":
                self.sleep(POLL_S)
        if received.end == "running":
            self._late_s -= self.clock() - began

    def _read_log(self) -> None:
        self._log.read(self.browser.network_log())

    def _settings(self) -> dict[str, Any]:
        engine = self.engine
        return {
            "strategies": [asdict(strategy) for strategy in engine.strategies],
            "more": engine.more_controls,
            "endTexts": engine.end_texts,
            "endAttributes": engine.end_attributes,
            "refusalControls": engine.refusal_controls,
            "refusalTexts": engine.refusal_texts,
            "batch": BATCH,
            "milliseconds": BATCH_MS,
            "patience": self.patience_ms,
            "busy": self._busy,
        }


def _result(record: dict[str, Any]) -> SearchResult:
    return SearchResult(
        record["id"], record["page"], record["title"], record["site"], record["src"]
    )


@cache
def _script(name: str) -> str:
    """Return a script behind the functions that all of them share."""
    parts = [(_SCRIPTS / one).read_text(encoding="utf-8") for one in ("find_items.js", name)]
    return "\n".join(parts)
