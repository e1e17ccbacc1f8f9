"""Decide how each preview is answered, and what a careful scraper makes of it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image

from sceneset.images import PictureError, decode, read_header
from scraper.gallery.behaviours import Mix
from scraper.gallery.catalogue import NOT_A_PICTURE, Catalogue, Result
from scraper.gallery.origin import Answer
from scraper.gallery.scenes import seeded

Fault = Literal[
    "none", "wrong type", "cut", "missing", "empty", "html", "png", "webp", "gif", "twin"
]
BAD: tuple[Fault, ...] = ("wrong type", "cut", "missing", "empty", "html", "png", "webp", "gif")
Start = Literal["inline", "plain", "deferred"]
# What these do cannot be seen in inline bytes.
_BY_ADDRESS = frozenset({"wrong type", "missing", "html"})
BAD_EVERY = 3
TWIN_EVERY = 11
TWIN_OFFSET = 3
DRIP_EVERY, DRIP_AT = 40, 33
SLOW_S = (0.05, 0.8)
NOT_FOUND = 404
OK = 200
PLACEHOLDER_SIDE = 2
MIN_SIDE = 32


@dataclass(frozen=True, slots=True)
class Preview:
    """How one preview is answered; `fault` says what is odd about it."""

    answer: Answer
    fault: Fault = "none"

    @property
    def data(self) -> bytes:
        """Return its bytes, all of them."""
        return self.answer.data


class Previews:
    """Every preview of a catalogue as a mix of behaviours alters it."""

    def __init__(self, catalogue: Catalogue, mix: Mix) -> None:
        """Remember where bytes come from; nothing is read yet."""
        self._catalogue = catalogue
        self._mix = mix

    def of(self, result: Result) -> Preview:
        """Return the answer to a request for a result's preview."""
        fault = self._fault(result)
        source = self._twin(result) if fault == "twin" else result
        data = _damaged(fault, self._catalogue.read(source))
        answer = Answer(
            data,
            "text/plain" if fault == "wrong type" else media_type(data),
            NOT_FOUND if fault == "missing" else OK,
            wait_s=self._wait(result),
            drips=self._drips(result),
        )
        return Preview(answer, fault)

    def read(self, result: Result) -> bytes:
        """Return the bytes of a result's preview."""
        return self.of(result).data

    def earliest(self, result: Result) -> Start:
        """Say how early a page may have a preview: inline, by address, or when it comes in view.

        A page that waits for a dripping preview would never finish loading.
        """
        if self._drips(result):
            return "deferred"
        return "plain" if self._fault(result) in _BY_ADDRESS else "inline"

    def _fault(self, result: Result) -> Fault:
        turn, rest = divmod(result.position, BAD_EVERY)
        if "bad-bytes" in self._mix and rest == BAD_EVERY - 1:
            return BAD[turn % len(BAD)]
        if (
            "duplicates-across-batches" in self._mix
            and result.position % TWIN_EVERY == TWIN_EVERY - 1
        ):
            return "twin"
        return "none"

    def _twin(self, result: Result) -> Result:
        shelf = self._catalogue.shelves[result.class_name]
        return shelf.results[result.position - TWIN_OFFSET]

    def _drips(self, result: Result) -> bool:
        return "dripping" in self._mix and result.position % DRIP_EVERY == DRIP_AT

    def _wait(self, result: Result) -> float:
        slow = "slow-previews" in self._mix
        return seeded("wait", result.thumb_id).uniform(*SLOW_S) if slow else 0


def verdict(preview: Preview, held: set[bytes]) -> tuple[str, str]:
    """Return the status and reason that the manifest should give; `held` gathers what was kept.

    Status `kept`, `duplicate`, `rejected` or `failed`, as on disk.
    """
    if preview.answer.drips:
        return "failed", "timeout"
    if preview.answer.status != OK:
        return "failed", "http_error"
    if reason := _why_no_picture(preview.data):
        return "rejected", reason
    if preview.data in held:
        return "duplicate", ""
    held.add(preview.data)
    return "kept", ""


def media_type(data: bytes) -> str:
    """Return the content type a server gives these bytes."""
    try:
        return f"image/{read_header(data).format.lower()}"
    except PictureError:
        return "text/html" if data.startswith(b"<") else "image/jpeg"


def _why_no_picture(data: bytes) -> str:
    try:
        header = read_header(data)
        if max(header.width, header.height) <= PLACEHOLDER_SIDE:
            return "placeholder"
        if min(header.width, header.height) < MIN_SIDE:
            return "too_small"
        decode(data)
    except PictureError as error:
        return error.reason
    return ""


@lru_cache(maxsize=1024)
def _damaged(fault: Fault, data: bytes) -> bytes:
    return _DAMAGE[fault](data) if fault in _DAMAGE else data


def _as(file_format: str) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        try:
            image = decode(data)
        except PictureError:
            return data
        buffer = io.BytesIO()
        if file_format == "GIF":
            image = image.quantize(64, Image.Quantize.FASTOCTREE)
        image.save(buffer, file_format)
        return buffer.getvalue()

    return convert


_DAMAGE: dict[Fault, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "missing": lambda _: b"not found\n",
    "empty": lambda _: b"",
    "html": lambda _: NOT_A_PICTURE,
    "png": _as("PNG"),
    "webp": _as("WEBP"),
    "gif": _as("GIF"),
}
