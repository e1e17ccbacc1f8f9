"""Define what reading a results page gives: batches of results, and how it fails."""

from dataclasses import dataclass
from typing import Literal, Protocol

from scraper.engines.engine import SearchResult
from scraper.page_state import PageState

Reason = Literal["http_error", "timeout", "no_bytes", "too_large"]


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
