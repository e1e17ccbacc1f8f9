"""Make picture files that are odd, damaged or hostile, and the bodies that carry them."""

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from bench.support.pictures import jpeg, smooth


def b64(data: bytes) -> str:
    """Return bytes as base64 text."""
    return base64.b64encode(data).decode()


def encoded(
    kind: str = "PNG",
    mode: str = "RGB",
    size: tuple[int, int] = (60, 40),
    **options: Any,  # noqa: ANN401  Pillow's own
) -> bytes:
    """Return the file of a red picture."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "#f02010").convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


RED = encoded()
WEBP = encoded("WEBP", lossless=True)
JPEG = jpeg(smooth(np.random.default_rng(1), (240, 180)), 90)


def bomb(side: int) -> bytes:
    """Return a small PNG file whose header promises side x side px."""
    header = b"IHDR" + struct.pack(">II", side, side) + RED[24:29]
    return RED[:12] + header + struct.pack(">I", zlib.crc32(header)) + RED[33:]


def inflated_text() -> bytes:
    """Return a PNG file with a text chunk that unpacks to 100 MB."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * 100_000_000, zip=True)
    return encoded(pnginfo=info)


def bad_crc() -> bytes:
    """Return a PNG file with one wrong byte near its end."""
    return RED[:-20] + bytes([RED[-20] ^ 255]) + RED[-19:]


def middle_damaged() -> bytes:
    """Return a JPEG file with wrong bytes among its pixels."""
    middle, wrong = len(JPEG) // 2, b"\x00\x13\x37" * 9
    return JPEG[:middle] + wrong + JPEG[middle + len(wrong) :]


def frames(kind: str) -> bytes:
    """Return an animation of three frames."""
    first, *others = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green"))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others)
    return buffer.getvalue()


def deep_grey() -> bytes:
    """Return a PNG file of 16 bits a pixel."""
    buffer = io.BytesIO()
    Image.new("I;16", (40, 40), 65535).save(buffer, "PNG")
    return buffer.getvalue()


def noise(kind: str) -> bytes:
    """Return a picture that compresses badly."""
    buffer = io.BytesIO()
    Image.effect_noise((90, 60), 80).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """Return a JPEG file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", exif=exif)


def zipped() -> bytes:
    """Return a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


def form(fields: Mapping[str, tuple[str | None, bytes]], boundary: str) -> bytes:
    """Return a multipart body: field -> file name or None, and bytes."""
    parts = []
    for name, (filename, data) in fields.items():
        file = f'; filename="{filename}"' if filename is not None else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
