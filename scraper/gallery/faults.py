"""Decide how each preview is answered, and what a careful scraper makes of it."""

import io
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Literal

from PIL import Image

from sceneset.images import PictureError, decode, read_header
from scraper.gallery.catalogue import NOT_A_PICTURE, Catalogue, ServedResult
from scraper.gallery.origin import Answer
from scraper.gallery.scenes import seeded
from scraper.gallery.settings import Mix
from scraper.http.previews import judge

Fault = Literal[
    "none", "wrong type", "cut", "missing", "empty", "html", "png", "webp", "gif", "copy"
]
BAD: tuple[Fault, ...] = ("wrong type", "cut", "missing", "empty", "html", "png", "webp", "gif")
Start = Literal["inline", "plain", "deferred"]
# What these do cannot be seen in inline bytes.
_BY_URL = frozenset({"wrong type", "missing", "html"})
BAD_EVERY = 3
COPY_EVERY = 11
COPY_OFFSET = 3
DRIP_EVERY, DRIP_AT = 40, 33
SLOW_S = (0.05, 0.8)


@dataclass(frozen=True)
class Previews:
    """Every preview of a catalogue as a mix of behaviours alters it."""

    catalogue: Catalogue
    mix: Mix

    def answer(self, result: ServedResult) -> Answer:
        """Return the answer to a request for a result's preview."""
        fault = self.fault(result)
        slow = "slow-previews" in self.mix
        data = self.read(result)
        return Answer(
            data,
            "text/plain" if fault == "wrong type" else media_type(data),
            HTTPStatus.NOT_FOUND if fault == "missing" else HTTPStatus.OK,
            wait_s=seeded("wait", result.thumb_id).uniform(*SLOW_S) if slow else 0,
            drips=self._drips(result),
        )

    def read(self, result: ServedResult) -> bytes:
        """Return the bytes of a result's preview."""
        fault = self.fault(result)
        if fault == "copy":
            results = self.catalogue.classes[result.class_name].results
            result = results[result.position - COPY_OFFSET]
        return _damaged(fault, result.read())

    def earliest(self, result: ServedResult) -> Start:
        """Say how early a page may have a preview: inline, by URL, or when it comes in view.

        A page that waits for a dripping preview would never finish loading.
        """
        if self._drips(result):
            return "deferred"
        return "plain" if self.fault(result) in _BY_URL else "inline"

    def fault(self, result: ServedResult) -> Fault:
        """Say what is odd about a preview."""
        turn, rest = divmod(result.position, BAD_EVERY)
        if "bad-bytes" in self.mix and rest == BAD_EVERY - 1:
            return BAD[turn % len(BAD)]
        copied = result.position % COPY_EVERY == COPY_EVERY - 1
        return "copy" if "duplicates-across-batches" in self.mix and copied else "none"

    def _drips(self, result: ServedResult) -> bool:
        return "dripping" in self.mix and result.position % DRIP_EVERY == DRIP_AT


def verdict(preview: Answer, held: set[bytes]) -> tuple[str, str]:
    """Return the status and reason that the manifest should give; `held` gathers what was kept.

    Status `kept`, `duplicate`, `rejected` or `failed`, as on disk.
    """
    if preview.drips:
        return "failed", "timeout"
    if preview.status != HTTPStatus.OK:
        return "failed", "http_error"
    if reason := judge(preview.data).reason:
        return "rejected", reason
    status = "duplicate" if preview.data in held else "kept"
    held.add(preview.data)
    return status, ""


def media_type(data: bytes) -> str:
    """Return the content type a server gives these bytes."""
    try:
        return f"image/{read_header(data).format.lower()}"
    except PictureError:
        return "text/html" if data.startswith(b"<") else "image/jpeg"


@lru_cache(maxsize=1024)
def _damaged(fault: Fault, data: bytes) -> bytes:
    if fault == "cut":
        return data[: len(data) // 2]
    if fault in {"png", "webp", "gif"}:
        return _converted(fault.upper(), data)
    return _REPLACED.get(fault, data)


def _converted(file_format: str, data: bytes) -> bytes:
    try:
        image = decode(data)
    except PictureError:
        return data
    buffer = io.BytesIO()
    if file_format == "GIF":
        image = image.quantize(64, Image.Quantize.FASTOCTREE)
    image.save(buffer, file_format)
    return buffer.getvalue()


_REPLACED: dict[Fault, bytes] = {"missing": b"not found\n", "empty": b"", "html": NOT_A_PICTURE}
