"""Read what requests carry, strictly: JSON, base64, data URIs, pictures by their first bytes."""

import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from sceneset.files.heic import is_heic
from sceneset.images import PREVIEW, Limits, PictureError, read_header
from serving.http.errors import HTTPError, bad_format

Object = dict[str, Any]
_WHITESPACE = b" \t\r\n\v\f"
_DATA_URI = re.compile(rb"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,", re.IGNORECASE)
_LONGEST_PREFIX = 64
_WHOLE_NUMBER = re.compile(r"0*[1-9][0-9]{0,8}", re.ASCII)
JPEG_PNG = frozenset({b"image/jpeg", b"image/jpg", b"image/png"})
JPEG_PNG_WEBP = JPEG_PNG | {b"image/webp"}
_MORE_TYPES = frozenset(
    {b"image/gif", b"image/bmp", b"image/x-ms-bmp", b"image/heic", b"image/heif"}
)


def parse_json(body: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Return the JSON value of a UTF-8 body, with or without a byte order mark.

    Of a key given twice the last value counts. Raises HTTPError (400) for no body, other
    encodings, NaN and Infinity, nesting beyond Python's limit, and numbers of thousands of digits.
    """
    if not body:
        raise HTTPError(400, "bad_json", "The body is empty; send JSON")
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise HTTPError(400, "bad_json", "The body is not UTF-8") from error
    except RecursionError as error:
        raise HTTPError(400, "bad_json", "The body is nested too deeply") from error
    except ValueError as error:
        raise HTTPError(400, "bad_json", "The body is not valid JSON") from error


def decode_base64(value: object, types: frozenset[bytes] = JPEG_PNG) -> bytes:
    """Return the bytes of base64 text or of a data URI of one of `types`; never empty.

    ASCII whitespace, as in lines of 76 columns, is dropped; nothing else is forgiven. Raises
    HTTPError (400).
    """
    if not isinstance(value, str):
        raise HTTPError(400, "not_base64", "It is not a base64 string")
    try:
        encoded = value.encode("ascii")
    except UnicodeEncodeError as error:
        raise HTTPError(400, "not_base64", "It has characters outside ASCII") from error
    encoded = _without_prefix(encoded, types).translate(None, _WHITESPACE)
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error as error:
        raise HTTPError(400, "not_base64", "It is not valid base64") from error
    if not data:
        raise HTTPError(400, "not_base64", "It is empty")
    return data


def as_object(value: Any, field: str) -> Object:  # noqa: ANN401  any JSON value
    """Return a JSON object as it is. Raises HTTPError (400) for any other value."""
    if not isinstance(value, dict):
        raise bad_format(f"{field} must be a JSON object")
    return value


def as_list(value: Any, field: str) -> list[Any]:  # noqa: ANN401  any JSON value
    """Return a JSON list as it is. Raises HTTPError (400) for any other value."""
    if not isinstance(value, list):
        raise bad_format(f"{field} must be a list")
    return value


def parse_whole_number(text: str | None, default: int, most: int, field: str) -> int:
    """Return a number from 1 to `most` given as text, or the default when it is not given.

    A number above `most` counts as `most`. Raises HTTPError (400).
    """
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise bad_format(f"{field} must be a whole number from 1")
    return min(int(text), most)


def parse_switch(text: str | None, field: str) -> bool:
    """Return a switch of the query, off when it is not given. Raises HTTPError (400)."""
    if text in {None, "0", "false"}:
        return False
    if text in {"", "1", "true"}:
        return True
    raise bad_format(f"{field} must be 1 or 0")


def _without_prefix(encoded: bytes, types: frozenset[bytes]) -> bytes:
    start = encoded[:_LONGEST_PREFIX].lstrip(_WHITESPACE)
    if start[:5].lower() != b"data:":
        return encoded
    match = _DATA_URI.match(start)
    if match is None:
        raise HTTPError(400, "not_base64", "It is a data URI without a base64 picture")
    kind = match["type"].lower()
    if kind not in types:
        if kind.startswith(b"image/"):
            raise HTTPError(400, "unsupported_format", "The data URI names another format")
        raise HTTPError(400, "not_base64", "It is a data URI of something else than a picture")
    return encoded[encoded.index(b",") + 1 :]


def _refuse_constant(_word: str) -> NoReturn:
    raise ValueError


PHOTO_FORMATS = frozenset({"JPEG", "MPO", "PNG"})
# First bytes of files that people send by mistake; everything else is no picture at all.
_OTHER_FILES = (
    b"%PDF", b"%!PS", b"\xc5\xd0\xd3\xc6", b"PK\x03\x04", b"8BPS", b"\x00\x00\x01\x00",
    b"\x00\x00\x00\x0cjP", b"<svg", b"<?xml", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"\xff\x0a",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """The formats, media types of data URIs and Pillow modes that a contract takes.

    No modes means every one.
    """

    formats: frozenset[str]
    media_types: frozenset[bytes]
    modes: frozenset[str] = frozenset()
    max_pixels: int = PREVIEW.pixels


DOCUMENTED = Accepted(PHOTO_FORMATS, JPEG_PNG, frozenset({"RGB", "RGBA", "CMYK"}))
EVERY_MODE = Accepted(PHOTO_FORMATS, JPEG_PNG)
WITH_WEBP = Accepted(PHOTO_FORMATS | {"WEBP"}, JPEG_PNG_WEBP)
# What our own routes and the page take.
OWN = Accepted(WITH_WEBP.formats | {"GIF", "BMP", "HEIF"}, JPEG_PNG_WEBP | _MORE_TYPES)


def check_picture(data: bytes, accepted: Accepted) -> None:
    """Check a picture by its header, before any pixel is decoded. Raises HTTPError (400, 413)."""
    try:
        header = read_header(data, Limits(len(data), accepted.max_pixels))
    except PictureError as error:
        takes_heic = "HEIF" in accepted.formats and is_heic(data)
        if data.startswith(_OTHER_FILES) or (data[4:8] == b"ftyp" and not takes_heic):
            raise _unsupported_format(accepted) from error
        raise to_http_error(error) from error
    if header.format not in accepted.formats:
        raise _unsupported_format(accepted)
    if accepted.modes and header.mode not in accepted.modes:
        raise HTTPError(
            400, "unsupported_mode", "Unsupported color mode. Accepted: RGB, RGBA and CMYK"
        )


def to_http_error(error: PictureError) -> HTTPError:
    """Translate what the decoder says, without its words for damage: they may hold what was sent."""
    if error.reason == "too_large":
        words = f"{error}: {error.cure}" if error.cure else str(error)
        return HTTPError(413, "too_large", f"The picture is too large: {words}")
    if error.reason == "needs_heic":
        return HTTPError(400, "unsupported_format", str(error))
    if error.reason == "truncated":
        return HTTPError(400, "truncated", "The picture is damaged or not complete")
    return HTTPError(400, "not_a_picture", "The bytes are not a picture")


def _unsupported_format(accepted: Accepted) -> HTTPError:
    names = "JPEG, PNG or WEBP" if "WEBP" in accepted.formats else "JPEG or PNG"
    names = "JPEG, PNG, WEBP, GIF, BMP or HEIC" if "HEIF" in accepted.formats else names
    return HTTPError(400, "unsupported_format", f"The format is not supported; send {names}")
