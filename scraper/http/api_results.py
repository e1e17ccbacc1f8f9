"""Read an engine's API answer by answer, as a results page is read batch by batch."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata

from scraper.engines.api import ApiEngine, ApiPage, Busy, UnknownAnswer, read_answer
from scraper.engines.engine import SearchResult
from scraper.http.client import BoundedSession
from scraper.http.rate_limit import retry_after
from scraper.reader import AccessDenied, Fetched, PageState, ResultBatch, TryLater, Unreachable

LONGEST_SLEEP_S = 60.0
PATIENCE = 2
MAX_SNAPSHOT = 1_000_000
_OK, _TOO_MANY, _UNAVAILABLE, _SERVER_ERROR = 200, 429, 503, 500
_REFUSALS = frozenset({401, 403})


@dataclass
class ApiReader:
    """Read the results of one engine's API; between answers it keeps a rate.

    `wait` keeps the rate: it is called before every further page, not before the first, which is
    for the caller of `open`. `sleep` sleeps as long as a busy server asks, in seconds.
    """

    engine: ApiEngine
    session: BoundedSession
    wait: Callable[[], None]
    sleep: Callable[[float], None]
    _refused: int = 0
    _text: str = ""
    _page: ApiPage | None = None
    _following: str | None = None
    _seen: set[str] = field(default_factory=set)

    @property
    def user_agent(self) -> str:
        """Return the user agent that its requests carry."""
        return self.session.user_agent

    def open(self, url: str) -> PageState:
        """Fetch the first answer and say what it is.

        Raises Unreachable when nothing answers, TryLater when the server asks to retry later; a
        server that does so again and again counts as blocking.
        """
        self._page, self._following, self._seen = None, None, set()
        try:
            self._page = self._fetch(url)
        except AccessDenied:
            return "blocked"
        except UnknownAnswer:
            return "layout unknown"
        if not self._page.results and self._page.following is None:
            return "nothing found"
        return "results"

    def next_batch(self) -> ResultBatch:
        """Report the next answer's results.

        One that cannot be had is tried again by the next call; as a page whose control is clicked
        in vain, it ends as a stall. Raises AccessDenied when the server will not go on.
        """
        page, self._page = self._page or self._next_page(), None
        if page is None:
            return self._report((), in_vain=True)
        fresh = {r.result_id: r for r in page.results if r.result_id not in self._seen}
        self._seen |= fresh.keys()
        self._following = page.following
        return self._report(tuple(fresh.values()))

    def body(self, url: str) -> Fetched | None:
        """Return None: an API gives no pictures, only their URLs."""
        del url
        return None

    def snapshot(self) -> tuple[str, bytes]:
        """Return the last answer's text, and no picture."""
        return self._text, b""

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def _next_page(self) -> ApiPage | None:
        if self._following is None:
            return ApiPage((), None)
        self.wait()
        try:
            return self._fetch(self._following)
        except TryLater as error:
            self.sleep(min(error.seconds, LONGEST_SLEEP_S))
        except (Unreachable, UnknownAnswer):
            pass
        return None

    def _fetch(self, url: str) -> ApiPage:
        answer = self.session.get(url)
        self._text = answer.data[:MAX_SNAPSHOT].decode("utf-8", "replace")
        wait_s = retry_after(answer.retry_after) or 0.0
        self._check(answer.status, wait_s)
        try:
            content = json.loads(answer.data)
        except (ValueError, RecursionError) as error:
            raise UnknownAnswer("the answer is no JSON") from error
        try:
            page = read_answer(self.engine, content, url)
        except Busy as error:
            raise TryLater(wait_s) from error
        return page if page.following != url else ApiPage(page.results, None)

    def _check(self, status: int, wait_s: float) -> None:
        self._refused = self._refused + 1 if status == _TOO_MANY else 0
        if status in _REFUSALS or self._refused > PATIENCE:
            raise AccessDenied(f"HTTP status {status}")
        if status in {_TOO_MANY, _UNAVAILABLE}:
            raise TryLater(wait_s)
        if status >= _SERVER_ERROR:
            raise Unreachable(f"HTTP status {status}")
        if status != _OK:
            raise UnknownAnswer(f"HTTP status {status}")

    def _report(self, results: tuple[SearchResult, ...], *, in_vain: bool = False) -> ResultBatch:
        more = self._following is not None
        return ResultBatch(
            results=results,
            unloaded=(),
            at_bottom=not more or in_vain,
            grew=more and not in_vain,
            clicked=in_vain,
            end_shown=not more,
            strategy=f"{self.engine.name} API",
        )


def user_agent(contact: str | None) -> str:
    """Name the tool, its version, a contact and the library, in the order Wikimedia asks for."""
    try:
        version = metadata.version("sceneset")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        version = "0"
    library = f"requests/{metadata.version('requests')}"
    return f"sceneset/{version} ({contact or 'no contact given'}) {library}"
