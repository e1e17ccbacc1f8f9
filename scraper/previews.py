"""Get a preview's own bytes and judge them: never re-encoded, never guessed."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from pipeline.pictures import Header, PictureError, decode, read_header

MIN_SIDE = 32
PLACEHOLDER_SIDE = 2
OK_STATUS = 200
Reason = Literal["http_error", "timeout", "no_bytes", "too_large"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one attempt to get bytes gave: the bytes, or why there are none."""

    data: bytes | None
    http_status: int | None = None
    reason: Reason = "no_bytes"


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
