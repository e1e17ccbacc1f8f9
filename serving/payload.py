"""Read what requests carry, strictly: JSON, base64, data URIs. Pure functions on bytes and text."""

import binascii
import json
import re
from typing import Any, NoReturn

from serving.refusal import RefusalError

Object = dict[str, Any]
_WHITESPACE = b" \t\r\n\v\f"
_DATA_URI = re.compile(rb"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,", re.IGNORECASE)
_LONGEST_PREFIX = 64
_WHOLE_NUMBER = re.compile(r"0*[1-9][0-9]{0,8}", re.ASCII)
JPEG_PNG = frozenset({b"image/jpeg", b"image/jpg", b"image/png"})
JPEG_PNG_WEBP = JPEG_PNG | {b"image/webp"}


def parse_json(body: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Return the JSON value of a UTF-8 body, with or without a byte order mark.

    Of a key given twice the last value counts. Raises RefusalError (400) for no body, other
    encodings, NaN and Infinity, nesting beyond Python's limit, and numbers of thousands of digits.
    """
    if not body:
        raise RefusalError(400, "bad_json", "The body is empty; send JSON")
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise RefusalError(400, "bad_json", "The body is not UTF-8") from error
    except RecursionError as error:
        raise RefusalError(400, "bad_json", "The body is nested too deeply") from error
    except ValueError as error:
        raise RefusalError(400, "bad_json", "The body is not valid JSON") from error


def base64_bytes(value: object, types: frozenset[bytes] = JPEG_PNG) -> bytes:
    """Return the bytes of base64 text or of a data URI of one of `types`; never empty.

    ASCII whitespace, as in lines of 76 columns, is dropped; nothing else is forgiven. Raises
    RefusalError (400).
    """
    if not isinstance(value, str):
        raise RefusalError(400, "not_base64", "It is not a base64 string")
    try:
        encoded = value.encode("ascii")
    except UnicodeEncodeError as error:
        raise RefusalError(400, "not_base64", "It has characters outside ASCII") from error
    encoded = _without_prefix(encoded, types).translate(None, _WHITESPACE)
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error as error:
        raise RefusalError(400, "not_base64", "It is not valid base64") from error
    if not data:
        raise RefusalError(400, "not_base64", "It is empty")
    return data


def objects(value: Any, field: str) -> Object:  # noqa: ANN401  any JSON value
    """Return a JSON object as it is. Raises RefusalError (400) for any other value."""
    if not isinstance(value, dict):
        raise RefusalError(400, "bad_format", f"{field} must be a JSON object")
    return value


def items(value: Any, field: str) -> list[Any]:  # noqa: ANN401  any JSON value
    """Return a JSON list as it is. Raises RefusalError (400) for any other value."""
    if not isinstance(value, list):
        raise RefusalError(400, "bad_format", f"{field} must be a list")
    return value


def whole_number(text: str | None, default: int, most: int, field: str) -> int:
    """Return a number from 1 to `most` given as text, or the default when it is not given.

    A number above `most` counts as `most`. Raises RefusalError (400).
    """
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise RefusalError(400, "bad_format", f"{field} must be a whole number from 1")
    return min(int(text), most)


def is_on(text: str | None, field: str) -> bool:
    """Return a switch of the query, off when it is not given. Raises RefusalError (400)."""
    if text in {None, "0", "false"}:
        return False
    if text in {"", "1", "true"}:
        return True
    raise RefusalError(400, "bad_format", f"{field} must be 1 or 0")


def _without_prefix(encoded: bytes, types: frozenset[bytes]) -> bytes:
    start = encoded[:_LONGEST_PREFIX].lstrip(_WHITESPACE)
    if start[:5].lower() != b"data:":
        return encoded
    match = _DATA_URI.match(start)
    if match is None:
        raise RefusalError(400, "not_base64", "It is a data URI without a base64 picture")
    kind = match["type"].lower()
    if kind not in types:
        if kind.startswith(b"image/"):
            raise RefusalError(400, "unsupported_format", "The data URI names another format")
        raise RefusalError(400, "not_base64", "It is a data URI of something else than a picture")
    return encoded[encoded.index(b",") + 1 :]


def _refuse_constant(_word: str) -> NoReturn:
    raise ValueError
