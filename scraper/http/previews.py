"""Get a preview's own bytes and judge them: never re-encoded, never guessed."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from sceneset.images import PREVIEW, Header, Limits, PictureError, decode, read_header
from scraper.reader import Fetched

MIN_SIDE = 32
PLACEHOLDER_SIDE = 2
REFUSED_IN_A_ROW = 3
UNANSWERED_IN_A_ROW = 10
_REFUSALS = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Judged:
    """One preview's bytes, their SHA-256, and the header or the reason they are no picture.

    `cure` is the option or the extra with which they would be one.
    """

    sha256: str
    data: bytes
    header: Header | None
    reason: str = ""
    cure: str = ""


Source = Callable[[str], Fetched | None]


def fetch(src: str, sources: tuple[Source, ...]) -> Fetched:
    """Return a preview's bytes: from its data URI, else from the first source that has them.

    A source that answers None, or that has no bytes and no reason, is followed by the next one. An
    error, a timeout or too large an answer is final: a dead URL is requested once.
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


def judge(data: bytes, limits: Limits = PREVIEW) -> Judged:
    """Decode the bytes once to see that they are a whole picture of a useful size."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        header = read_header(data, limits)
        if max(header.width, header.height) <= PLACEHOLDER_SIDE:
            return Judged(sha256, data, None, "placeholder")
        if min(header.width, header.height) < MIN_SIDE:
            return Judged(sha256, data, None, "too_small")
        decode(data)
    except PictureError as error:
        return Judged(sha256, data, None, error.reason, error.cure)
    return Judged(sha256, data, header)


@dataclass
class PreviewFetcher:
    """Fetch the previews of one page; count refusals, and requests without an answer, in a row."""

    sources: tuple[Source, ...]
    refused: int = 0
    unanswered: int = 0

    def fetch(self, src: str) -> Fetched:
        """Return a preview's bytes, or why there are none."""
        fetched = fetch(src, self.sources)
        status, failed = fetched.http_status, fetched.data is None
        self.refused = self.refused + 1 if failed and status in _REFUSALS else 0
        silent = failed and status is None and fetched.reason == "http_error"
        self.unanswered = self.unanswered + 1 if silent else 0
        return fetched

    @property
    def failure(self) -> tuple[Literal["blocked", "unreachable"], str] | None:
        """Return why no further preview is worth a request, None while all is well."""
        if self.refused >= REFUSED_IN_A_ROW:
            return "blocked", "previews are refused"
        if self.unanswered >= UNANSWERED_IN_A_ROW:
            return "unreachable", "previews are not answered any more"
        return None
