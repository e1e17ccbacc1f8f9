"""Decide which pictures a client contract takes, from their first bytes."""

from dataclasses import dataclass

from pipeline.pictures import MAX_PIXELS, Header, PictureError, read_header
from serving.refusal import RefusalError

JPEG_PNG = frozenset({"JPEG", "MPO", "PNG"})
# First bytes of files that people send by mistake; everything else is no picture at all.
_OTHER_FILES = (
    b"%PDF", b"%!PS", b"\xc5\xd0\xd3\xc6", b"PK\x03\x04", b"8BPS", b"\x00\x00\x01\x00",
    b"\x00\x00\x00\x0cjP", b"<svg", b"<?xml", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"\xff\x0a",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """The formats and Pillow modes a contract takes; no modes means every one."""

    formats: frozenset[str]
    modes: frozenset[str] = frozenset()
    max_pixels: int = MAX_PIXELS


DOCUMENTED = Accepted(JPEG_PNG, frozenset({"RGB", "RGBA", "CMYK"}))
EVERY_MODE = Accepted(JPEG_PNG)
WITH_WEBP = Accepted(JPEG_PNG | {"WEBP"})


def check_picture(data: bytes, accepted: Accepted) -> Header:
    """Return a picture's header, read without decoding a pixel. Raises RefusalError (400, 413)."""
    try:
        header = read_header(data)
    except PictureError as error:
        if data.startswith(_OTHER_FILES) or data[4:8] == b"ftyp":
            raise _unsupported_format(accepted) from error
        raise refusal_of(error) from error
    if header.format not in accepted.formats:
        raise _unsupported_format(accepted)
    if header.width * header.height > accepted.max_pixels:
        raise RefusalError(413, "too_large", _too_many_pixels(accepted.max_pixels))
    if accepted.modes and header.mode not in accepted.modes:
        detail = "Unsupported color mode. Accepted: RGB, RGBA and CMYK"
        raise RefusalError(400, "unsupported_mode", detail)
    return header


def refusal_of(error: PictureError) -> RefusalError:
    """Translate what the decoder says, without its words: they may hold what was sent."""
    if error.reason == "too_large":
        return RefusalError(413, "too_large", _too_many_pixels(MAX_PIXELS))
    if error.reason == "truncated":
        return RefusalError(400, "truncated", "The picture is damaged or not complete")
    return RefusalError(400, "not_a_picture", "The bytes are not a picture")


def _too_many_pixels(limit: int) -> str:
    return f"The picture is too large; the limit is {limit / 1e6:g} megapixels and 20 MB"


def _unsupported_format(accepted: Accepted) -> RefusalError:
    names = "JPEG, PNG or WEBP" if "WEBP" in accepted.formats else "JPEG or PNG"
    return RefusalError(400, "unsupported_format", f"The format is not supported; send {names}")
