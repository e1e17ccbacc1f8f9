"""Open HEIC files, as phones write them, with pi-heif (the extra `heic`): headers, then pixels.

libheif decodes no more px than the file declares, in `ispe` properties: one for the picture, its
tiles, its transparency and every other item. So what they declare is the most that it may take.
"""

import io
import re
import struct
from importlib.util import find_spec
from typing import Any

from PIL import Image, ImageFile

INSTALL = "install sceneset[heic]"
_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_DECLARED = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)


def is_heic(data: bytes) -> bool:
    """Say whether a file's first bytes are those of a HEIC, and not of an AVIF, its sibling."""
    named = data[8 : int.from_bytes(data[:4])]
    return data[4:8] == b"ftyp" and named[:4] in _BRANDS and b"avif" not in named


def is_installed() -> bool:
    """Say whether HEIC files can be opened."""
    return find_spec("pi_heif") is not None


def most_pixels(data: bytes) -> int:
    """Return the px of the largest item that a file declares, 0 when it declares none."""
    sizes = (struct.unpack(">II", match[1]) for match in _DECLARED.finditer(data))
    return max((width * height for width, height in sizes), default=0)


class HeicFile(ImageFile.ImageFile):
    """The primary picture of a HEIC, upright; raises SyntaxError for what is no whole HEIC.

    Of other items, maps of depth and Exif among them, nothing is read: pi-heif 1.4 crashes on an
    item's type that is no text, and the file itself says how the picture is turned.
    """

    format = "HEIF"

    def _open(self) -> None:
        from _pi_heif import load_file  # noqa: PLC0415  an extra

        data = b"" if self.fp is None else self.fp.read()
        try:
            # One thread, 8 bits, RGB, rows as they are decoded, any decoder, libheif's own limits.
            images = load_file(data, 1, True, False, False, True, "", False)
        except (OSError, ValueError, RuntimeError, EOFError) as error:
            raise SyntaxError(str(error)) from error
        self._coded: Any = next((one for one in images if one and one.primary), None)
        if self._coded is None:
            raise SyntaxError("no primary picture")
        self._size, self._mode = self._coded.size_mode
        self.tile = []

    def load(self) -> Any:  # noqa: ANN401  as Pillow
        """Decode the picture."""
        if self._coded is not None:
            coded, self._coded = self._coded, None
            pixels = coded.data
            self._size, self._mode = coded.size_mode
            self.load_prepare()
            self.frombytes(pixels, "raw", (self._mode, coded.stride))
        return super().load()


def open_heic(data: bytes) -> Image.Image:
    """Read the size of a HEIC's primary picture. Raises SyntaxError."""
    return HeicFile(io.BytesIO(data))
