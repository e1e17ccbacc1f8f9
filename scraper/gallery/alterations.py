"""Alter a picture as the copies, crops and broken files of a real results page are altered."""

import base64
import io
from collections.abc import Callable
from random import Random
from typing import Literal

from PIL import Image, ImageEnhance, ImageOps

Kind = Literal[
    "original",
    "exact",
    "near",
    "mirrored",
    "cropped",
    "two_classes",
    "broken",
    "placeholder",
]
PLACEHOLDER_GIF = base64.b64decode("R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
NOT_A_PICTURE = b"<!DOCTYPE html><html><title>Not found</title><p>This picture has moved.</html>"
QUALITY = 85


def alter(kind: Kind, original: bytes, rng: Random) -> bytes:
    """Return the bytes of a planted result made from an original's bytes."""
    return _ALTERATIONS[kind](original, rng)


def encode(image: Image.Image, file_format: str = "JPEG", quality: int = QUALITY) -> bytes:
    """Return the bytes of a preview in JPEG, WEBP or PNG (reduced to 48 colours)."""
    buffer = io.BytesIO()
    if file_format == "PNG":
        image = image.quantize(48, Image.Quantize.FASTOCTREE)
    image.save(buffer, file_format, quality=quality, method=0)
    return buffer.getvalue()


def _same(original: bytes, _rng: Random) -> bytes:
    return original


def _near(original: bytes, rng: Random) -> bytes:
    """Resize, brighten or darken a little, and encode at a lower quality."""
    image = _opened(original)
    scale = rng.uniform(0.75, 1.2)
    size = (round(image.width * scale), round(image.height * scale))
    bright = ImageEnhance.Brightness(image.resize(size, Image.Resampling.BICUBIC))
    return encode(bright.enhance(rng.uniform(0.9, 1.1)), quality=rng.randint(45, 75))


def _mirrored(original: bytes, _rng: Random) -> bytes:
    return encode(ImageOps.mirror(_opened(original)))


def _cropped(original: bytes, rng: Random) -> bytes:
    """Keep 0.9 or 0.8 of each side at one of nine positions."""
    image = _opened(original)
    keep = rng.choice((0.9, 0.8))
    width, height = round(image.width * keep), round(image.height * keep)
    left = round((image.width - width) * rng.choice((0, 0.5, 1)))
    top = round((image.height - height) * rng.choice((0, 0.5, 1)))
    return encode(image.crop((left, top, left + width, top + height)))


def _broken(original: bytes, rng: Random) -> bytes:
    """Cut the file, put an HTML page in its place, or leave nothing."""
    return rng.choice((original[: len(original) * 3 // 5], NOT_A_PICTURE, b""))


def _placeholder(_original: bytes, _rng: Random) -> bytes:
    return PLACEHOLDER_GIF


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


_ALTERATIONS: dict[Kind, Callable[[bytes, Random], bytes]] = {
    "original": _same,
    "exact": _same,
    "near": _near,
    "mirrored": _mirrored,
    "cropped": _cropped,
    "two_classes": _same,
    "broken": _broken,
    "placeholder": _placeholder,
}
