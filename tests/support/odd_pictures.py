"""Make picture files that are odd, damaged or hostile."""

import io
import struct
import zipfile
import zlib

from PIL import Image, PngImagePlugin

from support.drawing import draw_jpeg
from support.served_model import RED, encoded

JPEG = draw_jpeg(1)


def bomb(side: int) -> bytes:
    """Return a small PNG file whose header promises side x side px."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def inflated_text() -> bytes:
    """Return a PNG file with a text chunk that unpacks to 100 MB."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * 100_000_000, zip=True)
    return encoded(pnginfo=info)


def frames(kind: str) -> bytes:
    buffer = io.BytesIO()
    first, *others = [Image.new("RGB", (40, 40), colour) for colour in ("#f02010", "blue", "green")]
    first.save(buffer, kind, save_all=True, append_images=others)
    return buffer.getvalue()


def deep_grey() -> bytes:
    buffer = io.BytesIO()
    Image.new("I;16", (40, 40), 65535).save(buffer, "PNG")
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


def bad_crc() -> bytes:
    return RED[:-20] + bytes([RED[-20] ^ 255]) + RED[-19:]


def middle_damaged() -> bytes:
    return JPEG[: len(JPEG) // 2] + b"\x00\x13\x37" * 9 + JPEG[len(JPEG) // 2 + 27 :]
