"""List the bad inputs of the served model's contract by number, and what each must be answered."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from odd_pictures_support import (
    JPEG,
    bad_crc,
    bomb,
    deep_grey,
    frames,
    inflated_text,
    middle_damaged,
    zipped,
)
from served_model_support import RED, WEBP, b64, encoded

OK, BAD, TOO_LARGE, OTHER_TYPE = 200, 400, 413, 415
NO_FORMAT = "Unsupported file extension. Use .jpg or .png"
NO_MODE = "Unsupported color mode. Accepted: RGB, RGBA and CMYK"
NO_LIST = "Bad format: 'images' parameter must be a list"
NO_PICTURE = "Entry in 'images' list is not a base64 image"
PNG = {"Content-Type": "image/png"}
FAST_MS = 50


@dataclass(frozen=True)
class Row:
    """One bad input: its number, how it is sent, the statuses it may get, words that must come.

    `headers` of None means a JSON body; `fast` that the answer must come within 50 ms.
    """

    number: int
    name: str
    path: str
    body: bytes
    wanted: tuple[int, ...]
    words: str = ""
    headers: dict[str, str] | None = None
    fast: bool = False


def rows(max_images: int) -> list[Row]:
    """Return every row that is one body to a server with the usual limits."""
    return [*_texts(), *_entries(), *_bodies(max_images), *_damaged(), *_odd(), *_formats()]


def _gallery(number: int, name: str, value: object, *wanted: int, words: str = "") -> Row:
    body = value if isinstance(value, bytes) else json.dumps({"images": value}).encode()
    return Row(number, name, "/classify", body, wanted, words)


def _both(
    number: int, name: str, data: bytes, *, gallery: int, plain: int, words: str = ""
) -> Iterator[Row]:
    """Send a picture to the documented route and to our own."""
    yield _gallery(number, name, [b64(data)], gallery, words=words)
    yield Row(number, f"{name}, plain", "/v1/classify", data, (plain,), headers=PNG)


def _texts() -> Iterator[Row]:
    yield _gallery(1, "no body", b"", BAD)
    yield _gallery(2, "invalid JSON", b"{", BAD)
    yield _gallery(3, "no images", b"{}", BAD, words="Missing parameter 'images'")
    no_lists: tuple[object, ...] = ("x", {}, None, 5)
    for value in no_lists:
        yield _gallery(4, f"images is {value!r}", value, BAD, words=NO_LIST)
    yield _gallery(5, "no entries", [], OK, words='"tags":[]')
    yield _gallery(14, "NaN", b'{"images": NaN}', BAD)
    yield _gallery(14, "Infinity", b'{"images": [Infinity]}', BAD)
    nested = b"[" * 200_000
    yield Row(15, "nested", "/classify", nested, (BAD,), fast=True)
    twice = f'{{"images": 5, "images": ["{b64(RED)}"]}}'.encode()
    yield _gallery(16, "a key twice", twice, OK)
    yield _gallery(17, "UTF-16", '{"images": []}'.encode("utf-16"), BAD, OK)
    yield _gallery(17, "UTF-8 with mark", '{"images": []}'.encode("utf-8-sig"), BAD, OK)
    kind = {"Content-Type": "text/html"}
    listed = json.dumps([b64(RED)]).encode()
    yield Row(18, "wrong type, plain", "/v1/classify", listed, (OTHER_TYPE,), headers=kind)
    yield Row(18, "wrong type", "/classify", listed, (OK,), headers=kind)


def _entries() -> Iterator[Row]:
    no_texts: tuple[object, ...] = (5, None, [])
    for value in no_texts:
        yield _gallery(6, f"an entry is {value!r}", [b64(RED), value], BAD, words='"index":1')
    texts = {7: ("",), 8: ("a*b=", "abc", "QUJ=D"), 9: ("a-_b",), 12: ("\u00e9",)}
    texts[11] = ("data:text/html;base64,YWJj",)
    for number, entries in texts.items():
        for entry in entries:
            yield _gallery(number, f"an entry is {entry!r}", [entry], BAD, words=NO_PICTURE)
    yield _gallery(10, "data URI", [f"data:image/jpeg;base64,{b64(JPEG)}"], OK)
    text = b64(RED)
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    yield _gallery(13, "lines of 76", [lines], OK)


def _bodies(max_images: int) -> Iterator[Row]:
    yield _gallery(19, "33 MB with its length", bytes(33_000_000), TOO_LARGE)
    chunked = {"Transfer-Encoding": "chunked"}
    large = bytes(33_000_000)
    yield Row(20, "33 MB in chunks", "/v1/classify", large, (TOO_LARGE,), headers=chunked)
    yield _gallery(21, "too many pictures", [b64(RED)] * (max_images + 1), TOO_LARGE)


def _damaged() -> Iterator[Row]:
    yield _gallery(22, "truncated JPEG", [b64(JPEG[:300])], BAD, words='"index":0')
    yield from _both(23, "JPEG damaged inside", middle_damaged(), gallery=OK, plain=OK)
    yield _gallery(24, "truncated PNG", [b64(RED[:60])], BAD, words='"index":0')
    yield _gallery(24, "PNG with a wrong sum", [b64(bad_crc())], BAD, words='"index":0')
    for number, side in ((25, 12_000), (26, 20_000)):
        wanted, data = (BAD, TOO_LARGE), bomb(side)
        row = Row(number, f"{side} px", "/v1/classify", data, wanted, headers=PNG, fast=True)
        yield row
        yield _gallery(number, f"{side} px, gallery", [b64(data)], *wanted)
    yield Row(27, "text of 100 MB", "/v1/classify", inflated_text(), (BAD,), headers=PNG)
    profile = encoded(icc_profile=bytes(100_000_000))
    yield Row(27, "profile of 100 MB", "/v1/classify", profile, (BAD,), headers=PNG)


def _odd() -> Iterator[Row]:
    yield from _both(28, "1 x 1", encoded(size=(1, 1)), gallery=OK, plain=OK)
    yield _gallery(29, "1 x 20000", [b64(encoded(size=(1, 20_000)))], OK, BAD)
    yield _gallery(29, "65500 x 10", [b64(encoded(kind="JPEG", size=(65_500, 10)))], OK, BAD)
    yield from _both(30, "CMYK", encoded(kind="JPEG", mode="CMYK"), gallery=OK, plain=OK)
    yield from _both(31, "RGBA", encoded(mode="RGBA"), gallery=OK, plain=OK)
    for mode in ("L", "LA", "P", "1"):
        grey = encoded(mode=mode)
        yield from _both(32, mode, grey, gallery=BAD, plain=OK, words=NO_MODE)
    yield from _both(33, "I;16", deep_grey(), gallery=BAD, plain=OK, words=NO_MODE)
    for orientation in range(2, 9):
        yield _gallery(34, f"orientation {orientation}", [b64(_turned(orientation))], OK)


def _formats() -> Iterator[Row]:
    words = NO_FORMAT
    yield from _both(35, "animated GIF", frames("GIF"), gallery=BAD, plain=BAD, words=words)
    yield from _both(35, "APNG", frames("PNG"), gallery=OK, plain=OK)
    yield from _both(35, "animated WEBP", frames("WEBP"), gallery=BAD, plain=OK, words=words)
    yield from _both(36, "WEBP", WEBP, gallery=BAD, plain=OK, words=words)
    for kind in ("AVIF", "BMP", "TIFF", "ICO", "PPM"):
        yield from _both(36, kind, encoded(kind=kind), gallery=BAD, plain=BAD, words=words)
    files: dict[str, Callable[[], bytes]] = {
        "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "HTML": lambda: b"<html><body>hello</body></html>",
        "PDF": lambda: encoded(kind="PDF"),
        "EPS": lambda: encoded(kind="EPS"),
        "ZIP": zipped,
    }
    for name, make in files.items():
        yield from _both(37, name, make(), gallery=BAD, plain=BAD)
    yield from _both(38, "JPEG and ZIP", JPEG + zipped(), gallery=OK, plain=OK)
    yield from _both(38, "ZIP and JPEG", zipped() + JPEG, gallery=BAD, plain=BAD)


def _turned(orientation: int) -> bytes:
    picture = Image.new("RGB", (60, 40), "#f02010")
    exif = picture.getexif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()
