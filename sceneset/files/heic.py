"""Open HEIC files, as phones write them, with pi-heif (the extra `heic`): headers, then pixels.

libheif decodes no more px than the file declares, in `ispe` properties: one for the picture, its
tiles, its transparency and every other item. So what they declare is the most that it may take.
"""

import io
import re
import struct
from importlib.util import find_spec

from PIL import Image

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


def open_heic(data: bytes) -> Image.Image:
    """Read the header of the primary picture; neither thumbnails nor maps of depth are.

    Its size is that of the upright picture. Raises SyntaxError for what is no whole HEIC.
    """
    from pi_heif import HeifImageFile, options  # noqa: PLC0415  an extra

    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    options.DECODE_THREADS = 1  # a picture is one thread's job
    image: Image.Image = HeifImageFile(io.BytesIO(data))
    return image
