"""Request URLs and take no more than is allowed: time, bytes, hosts; for previews, and for an API."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata
from io import BytesIO
from time import sleep
from typing import Literal
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from sceneset.errors import first_line
from sceneset.images import MAX_BYTES
from scraper.engines.api import ApiEngine, ApiPage, Busy, UnknownAnswer, read_answer
from scraper.engines.engine import SearchResult
from scraper.http.rate_limit import retry_after
from scraper.http.ssrf import Guard, guarded_adapter
from scraper.page_state import PageState
from scraper.reader import AccessDenied, Fetched, ResultBatch, TryLater, Unreachable

CHUNK = 65536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
MAX_WORDS = 200
MAX_ERROR = 100_000
LONGEST_WAIT_S = 30.0
LONGEST_SLEEP_S = 60.0
PATIENCE = 2
MAX_SNAPSHOT = 1_000_000
_OK, _TOO_MANY, _UNAVAILABLE, _SERVER_ERROR = 200, 429, 503, 500
_REFUSALS = frozenset({401, 403})
_RETRY_LATER = frozenset({_TOO_MANY, _UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take: seconds, bytes (decoded) and redirects."""

    connect_s: float = 5.0
    read_s: float = 10.0
    whole_s: float = 20.0
    max_bytes: int = MAX_BYTES
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a server answered; `data` ends one byte after the limit when there is more."""

    status: int
    data: bytes
    retry_after: str | None = None


class NoAnswer(Unreachable):
    """No answer could be had; `status` is the HTTP status when there was one."""

    def __init__(
        self, problem: str, reason: Literal["http_error", "timeout"], status: int | None = None
    ) -> None:
        """Keep what happened."""
        super().__init__(problem)
        self.reason = reason
        self.status = status


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow nothing: to do so, requests would read the body of a redirect without limits."""
        del resp
        return None


class BoundedSession:
    """One keep-alive session; the environment's proxies and passwords are not used, no cookies."""

    def __init__(
        self, user_agent: str, encoding: str, guard: Guard, limits: Limits | None = None
    ) -> None:
        """Send `user_agent`, and `encoding` as Accept-Encoding, with every request."""
        self.user_agent = user_agent
        self._limits = limits or Limits()
        self._guard = guard
        self._session = _Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": encoding})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, guarded_adapter(guard))

    def get(self, url: str) -> HttpResponse:
        """Return what the server answers. Raises NoAnswer."""
        with self._guard.deadline(self._limits.whole_s):
            try:
                return self._follow(url)
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise NoAnswer("the server is too slow", "timeout") from error
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                zlib.error,
                OSError,
                ValueError,  # a URL that cannot be one, in all its forms
            ) as error:
                if self._guard.expired:
                    raise NoAnswer("the answer takes too long", "timeout") from error
                raise NoAnswer(_problem(error), "http_error") from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _follow(self, url: str) -> HttpResponse:
        timeout = (self._limits.connect_s, self._limits.read_s)
        for _ in range(self._limits.redirects + 1):
            if urlsplit(url).scheme not in {"http", "https"}:
                raise NoAnswer(f"the answer leads to {url[:80]!r}", "http_error")
            with self._session.get(
                url, timeout=timeout, stream=True, allow_redirects=False
            ) as response:
                target = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or target is None:
                    return self._read(response)
            url = urljoin(url, target)
        raise NoAnswer("too many redirects", "http_error", response.status_code)

    def _read(self, response: requests.Response) -> HttpResponse:
        """Read a body up to one byte after the limit, decoding it on the way.

        Raises ValueError for an encoding that is unknown, or compressed data that is cut short.
        """
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _COMPRESSED | {"", "identity"}:
            raise ValueError(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in _COMPRESSED else None
        most = self._limits.max_bytes + 1
        data = BytesIO()  # gives its bytes without a copy
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            left = most - data.tell()
            data.write(decoder.decompress(chunk, left) if decoder else chunk[:left])
            if data.tell() >= most:
                break
        else:
            if decoder is not None and not decoder.eof:
                raise ValueError("the compressed answer is cut short")
        if self._guard.expired:
            raise NoAnswer("the answer takes too long", "timeout", response.status_code)
        status, wait = response.status_code, response.headers.get("Retry-After")
        return HttpResponse(status, data.getvalue(), wait)


class Downloader:
    """Download one preview after another over one keep-alive session."""

    def __init__(
        self,
        user_agent: str,
        *,
        allow_private: bool = False,
        sleep: Callable[[float], None] = sleep,
        before_request: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        """Send the reader's own user agent, so that both halves of a visit look alike.

        `allow_private` lets it reach this machine and private networks: right when the results page
        itself is there, never otherwise. `before_request` keeps a rate where a source wants one.
        """
        self._session = BoundedSession(user_agent, "identity", Guard(allow_private), limits)
        self._sleep = sleep
        self._before_request = before_request

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none; never raises for a bad answer.

        More than the limit comes back one byte too long, to be judged too large.
        """
        try:
            answer = self._get(url)
            if answer.status in _RETRY_LATER:
                wait = retry_after(answer.retry_after, LONGEST_WAIT_S)
                if wait is not None:
                    self._sleep(wait)
                    answer = self._get(url)
        except NoAnswer as failed:
            return Fetched(None, failed.status, failed.reason)
        if answer.status != _OK:
            return Fetched(None, answer.status, "http_error")
        return Fetched(answer.data, answer.status)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _get(self, url: str) -> HttpResponse:
        self._before_request()
        return self._session.get(url)


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
        if status in _RETRY_LATER:
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


def _problem(error: BaseException) -> str:
    """Say what went wrong, without the library's nested wording where the case is a common one."""
    text = first_line(error, limit=MAX_ERROR)
    known = {
        "NameResolutionError": "no such host is known",
        "not on the public internet": "its host is not on the public internet",
        "refused": "the connection is refused",
    }
    return next((words for sign, words in known.items() if sign in text), text[:MAX_WORDS])
