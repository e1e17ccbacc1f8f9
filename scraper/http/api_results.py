"""Read an engine's API answer by answer, as a results page is read stretch by stretch."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from typing import Protocol

from scraper.engines.api import ApiEngine, ApiPage, Busy, UnknownAnswer, read_answer
from scraper.engines.engine import Found
from scraper.http.client import Answer, BoundedSession, Limits, NoAnswer
from scraper.http.rate_limit import retry_after
from scraper.http.ssrf import Guard
from scraper.reader import Fetched, PageState, Refused, Stretch, TryLater, Unreachable

LONGEST_NAP_S = 60.0
PATIENCE = 2
MAX_SNAPSHOT = 1_000_000
_OK, _TOO_MANY, _UNAVAILABLE, _SERVER_ERROR = 200, 429, 503, 500
_REFUSALS = frozenset({401, 403})


class Client(Protocol):
    """What reading an API needs of an HTTP client."""

    @property
    def user_agent(self) -> str:
        """Return the user agent that its requests carry."""

    def get(self, url: str) -> Answer:
        """Return what the server answers. Raises NoAnswer."""

    def close(self) -> None:
        """Close the connections."""


class HttpClient:
    """Ask an API, one request at a time, within limits of time and size."""

    def __init__(
        self, user_agent: str, *, allow_private: bool, limits: Limits | None = None
    ) -> None:
        """Open nothing yet; `allow_private` is for an API on this machine or a private network."""
        self.user_agent = user_agent
        self._session = BoundedSession(user_agent, "gzip", Guard(allow_private), limits)

    def get(self, url: str) -> Answer:
        """Return what the server answers. Raises NoAnswer."""
        return self._session.get(url)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class ApiReader:
    """Read the results of one engine's API; between answers it waits as it is told."""

    def __init__(
        self,
        engine: ApiEngine,
        client: Client,
        *,
        wait: Callable[[], None],
        nap: Callable[[float], None],
    ) -> None:
        """Open nothing yet.

        `wait` keeps the pace: it is called before every further page, not before the first, which
        whoever opens it paces. `nap` sleeps as long as a busy server asks, in seconds.
        """
        self._engine = engine
        self._client = client
        self._wait = wait
        self._nap = nap
        self._refused = 0
        self._text = ""
        self._page: ApiPage | None = None
        self._following: str | None = None
        self._seen: set[str] = set()

    @property
    def user_agent(self) -> str:
        """Return the user agent that its requests carry."""
        return self._client.user_agent

    def open(self, url: str) -> PageState:
        """Fetch the first answer and say what it is.

        Raises Unreachable when nothing answers, TryLater when the server asks for patience; who is
        asked for it again and again counts as blocked.
        """
        self._page, self._following, self._seen = None, None, set()
        try:
            self._page = self._fetch(url)
        except Refused:
            return "blocked"
        except UnknownAnswer:
            return "layout unknown"
        if not self._page.found and self._page.following is None:
            return "nothing found"
        return "results"

    def stretch(self) -> Stretch:
        """Report the next answer's results.

        One that cannot be had is tried again by the next call; as a page whose control is clicked
        in vain, it ends as a stall. Raises Refused when the server will not go on.
        """
        page, self._page = self._page or self._next_page(), None
        if page is None:
            return self._report((), in_vain=True)
        fresh = {r.result_id: r for r in page.found if r.result_id not in self._seen}
        self._seen |= fresh.keys()
        self._following = page.following
        return self._report(tuple(fresh.values()))

    def body(self, url: str) -> Fetched | None:
        """Return None: an API gives no pictures, only their addresses."""
        del url
        return None

    def snapshot(self) -> tuple[str, bytes]:
        """Return the last answer's text, and no picture."""
        return self._text, b""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _next_page(self) -> ApiPage | None:
        if self._following is None:
            return ApiPage((), None)
        self._wait()
        try:
            return self._fetch(self._following)
        except TryLater as asked:
            self._nap(min(asked.seconds, LONGEST_NAP_S))
        except (Unreachable, UnknownAnswer):
            pass
        return None

    def _fetch(self, url: str) -> ApiPage:
        try:
            answer = self._client.get(url)
        except NoAnswer as error:
            raise Unreachable(str(error)) from error
        self._text = answer.data[:MAX_SNAPSHOT].decode("utf-8", "replace")
        asked = retry_after(answer.retry_after, datetime.now(UTC)) or 0.0
        self._judge(answer.status, asked)
        try:
            page = read_answer(self._engine, _parsed(answer), url)
        except Busy as error:
            raise TryLater(asked) from error
        return page if page.following != url else ApiPage(page.found, None)

    def _judge(self, status: int, asked: float) -> None:
        self._refused = self._refused + 1 if status == _TOO_MANY else 0
        if status in _REFUSALS or self._refused > PATIENCE:
            raise Refused(f"HTTP status {status}")
        if status in {_TOO_MANY, _UNAVAILABLE}:
            raise TryLater(asked)
        if status >= _SERVER_ERROR:
            raise Unreachable(f"HTTP status {status}")
        if status != _OK:
            raise UnknownAnswer(f"HTTP status {status}")

    def _report(self, found: tuple[Found, ...], *, in_vain: bool = False) -> Stretch:
        more = self._following is not None
        return Stretch(
            found=found,
            unloaded=(),
            at_bottom=not more or in_vain,
            grew=more and not in_vain,
            clicked=in_vain,
            end_shown=not more,
            strategy=f"{self._engine.name} API",
        )


def user_agent(contact: str | None) -> str:
    """Name the tool, its version, a contact and the library, in the order Wikimedia asks for."""
    tool = f"sceneset/{_version('sceneset')}"
    return f"{tool} ({contact or 'no contact given'}) requests/{_version('requests')}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


def _parsed(answer: Answer) -> object:
    try:
        return json.loads(answer.data)
    except (ValueError, RecursionError) as error:
        raise UnknownAnswer("the answer is no JSON") from error
