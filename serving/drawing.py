"""Draw where in a picture a class was seen: over the picture, or as a map alone."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.overlay import blend, over_picture
from pipeline.pictures import Fit, decode

# Sides in px. A map's own cells are few, so its picture need not be large.
LONGEST_OVERLAY, LONGEST_MAP = 1600, 256
# Rows blended at a time, so that no second whole picture of floats is held.
_STRIP = 64


def draw_overlay(
    data: bytes, heat: NDArray[np.float32], how: Fit, longest: int | None = None
) -> Image.Image:
    """Return the picture, upright, with a map float32[h, w] of its fitted square over it.

    It has the picture's own size, or `longest` px along its longer side when that is less. Raises
    PictureError.
    """
    picture = _picture(data, longest)
    whole = over_picture(heat, picture.width, picture.height, how)
    drawn = np.array(picture, np.uint8)
    for top in range(0, len(drawn), _STRIP):
        rows = slice(top, top + _STRIP)
        drawn[rows] = blend(drawn[rows], whole[rows])
    return Image.fromarray(drawn)


def draw_map(data: bytes, heat: NDArray[np.float32], how: Fit) -> Image.Image:
    """Return the map as a grey picture in the proportions of the upright picture, 256 px at most.

    White is where the class was seen most, black is where it was not. Raises PictureError.
    """
    width, height = _picture(data, LONGEST_MAP).size
    whole = over_picture(heat, width, height, how)
    return Image.fromarray(np.rint(whole * 255).astype(np.uint8))


def encode_png(image: Image.Image) -> bytes:
    """Encode a picture as PNG, quickly rather than small."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _picture(data: bytes, longest: int | None) -> Image.Image:
    picture = decode(data, at_least=longest)
    if longest is None or max(picture.size) <= longest:
        return picture
    share = longest / max(picture.size)
    width, height = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)
