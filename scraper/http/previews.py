"""Get a preview's own bytes and judge them: never re-encoded, never guessed."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import sleep as _sleep
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from sceneset.images import Header, PictureError, decode, read_header
from scraper.http.rate_limit import retry_after
from scraper.reader import Fetched

if TYPE_CHECKING:
    from scraper.http.client import Answer, Limits


MIN_SIDE = 32
PLACEHOLDER_SIDE = 2
OK_STATUS = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """One preview's bytes, their SHA-256, and the header or the reason they are no picture."""

    sha256: str
    data: bytes
    header: Header | None
    reason: str = ""


Source = Callable[[str], Fetched | None]


def fetch(src: str, sources: tuple[Source, ...]) -> Fetched:
    """Return a preview's bytes: from its data URI, else from the first source that has them.

    A source that answers None, or that has no bytes and no reason, is followed by the next one. An
    error, a timeout or too large an answer is final: a dead address is asked for once.
    """
    if src.startswith("data:"):
        return Fetched(data_uri_bytes(src))
    last = Fetched(None)
    if not src.startswith(("http://", "https://")):
        return last
    for source in sources:
        last = source(src) or last
        if last.data is not None or last.reason != "no_bytes":
            break
    return last


def data_uri_bytes(src: str) -> bytes | None:
    r"""Decode a data URI, also with the `\x3d` escapes of scripts; None when it is malformed."""
    head, comma, body = src.partition(",")
    if not comma or not head.startswith("data:"):
        return None
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body.replace("\\x3d", "=").strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def judge(data: bytes, min_side: int = MIN_SIDE) -> Judged:
    """Decode the bytes once to see that they are a whole picture of a useful size."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        header = read_header(data)
        if max(header.width, header.height) <= PLACEHOLDER_SIDE:
            return Judged(sha256, data, None, "placeholder")
        if min(header.width, header.height) < min_side:
            return Judged(sha256, data, None, "too_small")
        decode(data)
    except PictureError as error:
        return Judged(sha256, data, None, error.reason)
    return Judged(sha256, data, header)


LONGEST_WAIT_S = 30.0
_PATIENCE_ASKED = frozenset({429, 503})


class Downloader:
    """One keep-alive session that asks for one preview after another."""

    def __init__(
        self,
        user_agent: str,
        *,
        allow_private: bool = False,
        sleep: Callable[[float], None] = _sleep,
        before_request: Callable[[], None] | None = None,
        limits: "Limits | None" = None,
    ) -> None:
        """Send the reader's own user agent, so that both halves of a visit look alike.

        `allow_private` lets it reach this machine and private networks: right when the results page
        itself is there, never otherwise. `before_request` keeps a pace where a source wants one.
        """
        from scraper.http.client import BoundedSession  # noqa: PLC0415  requests loads here only
        from scraper.http.ssrf import Guard  # noqa: PLC0415  the same

        self._session = BoundedSession(user_agent, "identity", Guard(allow_private), limits)
        self._sleep = sleep
        self._before_request = before_request

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none; never raises for a bad answer.

        More than the limit comes back one byte too long, to be judged too large.
        """
        from scraper.http.client import NoAnswer  # noqa: PLC0415  loaded by __init__ already

        try:
            answer = self._get(url)
            if answer.status in _PATIENCE_ASKED:
                wait = retry_after(answer.retry_after, datetime.now(UTC), LONGEST_WAIT_S)
                if wait is not None:
                    self._sleep(wait)
                    answer = self._get(url)
        except NoAnswer as failed:
            return Fetched(None, failed.status, failed.reason)
        if answer.status != OK_STATUS:
            return Fetched(None, answer.status, "http_error")
        return Fetched(answer.data, answer.status)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _get(self, url: str) -> "Answer":
        if self._before_request is not None:
            self._before_request()
        return self._session.get(url)
