"""Define what reading a results page gives: its state, batches of results, how it fails.

A count of zero is never "no results" by itself. Signs of a page's state: pages of 2022 to 2026.
"""

from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from scraper.engines.engine import SearchResult

PageState = Literal["results", "consent", "blocked", "nothing found", "layout unknown"]
REFUSALS = frozenset({403, 429})
UNAVAILABLE = 503
MANY_PICTURES = 3
Reason = Literal["http_error", "timeout", "no_bytes", "too_large"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What a loaded page says about itself.

    `status` is its HTTP status when known, `passed` every URL on the way to it; `empty_main` says
    that it has a place for results and not a word in it.
    """

    url: str
    title: str
    items: int
    captcha: bool
    consent: bool
    javascript_wall: bool
    big_pictures: int
    search_box: bool
    empty_main: bool = False
    status: int | None = None
    passed: tuple[str, ...] = ()


def page_state(facts: PageFacts) -> PageState:
    """Classify a page by its facts."""
    refused = facts.captcha or facts.status in REFUSALS
    if refused or any(is_sorry(url) for url in (facts.url, *facts.passed)):
        return "blocked"
    if facts.items > 0:
        return "results"
    if facts.consent or (urlsplit(facts.url).hostname or "").startswith("consent."):
        return "consent"
    if facts.javascript_wall or facts.status == UNAVAILABLE:
        return "blocked"
    return _without_results(facts)


def _without_results(facts: PageFacts) -> PageState:
    if facts.big_pictures >= MANY_PICTURES:
        return "layout unknown"
    if facts.empty_main:
        return "blocked"
    return "nothing found" if facts.search_box else "layout unknown"


def is_sorry(url: str) -> bool:
    """Say whether a URL is that of a block page."""
    parts = urlsplit(url)
    return (parts.hostname or "").startswith("sorry.") or parts.path.startswith("/sorry")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one attempt to get bytes gave: the bytes, or why there are none."""

    data: bytes | None
    http_status: int | None = None
    reason: Reason = "no_bytes"


@dataclass(frozen=True, slots=True)
class ResultBatch:
    """The results that one scroll step of a page, or one answer of an API, gave.

    `unloaded` are results whose thumbnail has not loaded; their `src` comes from the page's own
    map of ids to URLs. `retrying` says that some of them may still load, `busy` that the page
    waits for an answer, `last_resort` that only a last-resort strategy matched the results.
    """

    results: tuple[SearchResult, ...]
    unloaded: tuple[SearchResult, ...]
    at_bottom: bool
    grew: bool
    clicked: bool
    end_shown: bool
    strategy: str
    busy: bool = False
    retrying: bool = False
    last_resort: bool = False


class ResultsReader(Protocol):
    """What harvesting needs of a browser, or of the client of an API."""

    @property
    def user_agent(self) -> str:
        """Return the user agent that its requests carry."""

    def open(self, url: str) -> PageState:
        """Load a page and say what it is. Raises Unreachable, TryLater or BrowserLost."""

    def next_batch(self) -> ResultBatch:
        """Return the next batch of results. Raises AccessDenied or BrowserLost."""

    def body(self, url: str) -> Fetched | None:
        """Return the bytes that were received from a URL, None when it was never requested."""

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's text and a PNG of it, which is empty when nothing can be drawn."""

    def close(self) -> None:
        """Stop what was started."""


class Unreachable(Exception):  # noqa: N818  named as the manifest names it
    """Nothing answers at the URL."""


class TryLater(Exception):  # noqa: N818  a state of the server
    """The server asks to retry later; `seconds` is its Retry-After, 0 when it names none."""

    def __init__(self, seconds: float) -> None:
        """Keep how long it asks to wait."""
        super().__init__(f"asked to wait {seconds:g} s")
        self.seconds = seconds


class AccessDenied(Exception):  # noqa: N818  a state of the server
    """The server refuses to go on in the middle of its results."""


class BrowserLost(Exception):  # noqa: N818  named as the manifest names it
    """The browser or its driver died or hangs."""
