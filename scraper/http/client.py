"""Request one URL and take no more than is allowed: time, bytes, redirects, hosts."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from time import sleep
from typing import Literal
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from sceneset.errors import first_line
from sceneset.images import MAX_BYTES
from scraper.http.rate_limit import retry_after
from scraper.http.ssrf import Guard, guarded_adapter
from scraper.reader import Fetched, Unreachable

CHUNK = 65536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
MAX_WORDS = 200
MAX_ERROR = 100_000
LONGEST_WAIT_S = 30.0
_OK = 200
_RETRY_LATER = frozenset({429, 503})


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


def _problem(error: BaseException) -> str:
    """Say what went wrong, without the library's nested wording where the case is a common one."""
    text = first_line(error, limit=MAX_ERROR)
    known = {
        "NameResolutionError": "no such host is known",
        "not on the public internet": "its host is not on the public internet",
        "refused": "the connection is refused",
    }
    return next((words for sign, words in known.items() if sign in text), text[:MAX_WORDS])
