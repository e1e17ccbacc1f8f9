"""Lay a heat map over the picture it belongs to, at the picture's own size."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures import Fit, centre_box

FAINTEST, STRONGEST = 0.3, 0.65
_LIGHTNESS, _CHROMA = (0.2, 0.95), 0.1
_HUES = (-90.0, 100.0)
# OKLab to the cube roots of cone responses, and those to linear sRGB (Björn Ottosson, 2020).
_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def over_picture(
    heat: NDArray[np.float32], width: int, height: int, fit: Fit
) -> NDArray[np.float32]:
    """Return float32[height, width]: the map of a fitted square, back on the picture it came from.

    What a crop cut off was not seen and is 0; what was padded on is cut off.
    """
    image = Image.fromarray(heat)
    if fit == "crop":
        left, top, right, bottom = centre_box(width, height)
        whole = np.zeros((height, width), np.float32)
        whole[top:bottom, left:right] = _resized(image, right - left, bottom - top, None)
        return whole
    return _resized(image, width, height, _inside_pad(image, width, height, fit))


def blend(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the picture uint8[h, w, 3] with a map float32[h, w] in 0..1 laid over it.

    The hotter, the more of the map's colour is seen; what is cold is tinted a dark blue.
    """
    share = FAINTEST + (STRONGEST - FAINTEST) * heat[:, :, None]
    colours = colour_map()[np.rint(heat * 255).astype(np.intp)]
    return np.asarray(np.rint(picture * (1 - share) + colours * share), np.uint8)


@cache
def colour_map() -> NDArray[np.uint8]:
    """Return uint8[256, 3] from dark blue over red to pale yellow, in steps that look equal.

    A helix through OKLab, where equal distances look equal: lightness rises and hue turns evenly,
    and chroma is as large as sRGB allows all along.
    """
    along = np.linspace(0, 1, 256)
    lightness = _LIGHTNESS[0] + along * (_LIGHTNESS[1] - _LIGHTNESS[0])
    hue = np.radians(_HUES[0] + along * (_HUES[1] - _HUES[0]))
    lab = np.stack([lightness, _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], axis=1)
    linear = np.clip((lab @ _TO_CONES.T) ** 3 @ _TO_RGB.T, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # noqa: PLR2004  the sRGB curve
    return np.asarray(np.rint(shown * 255), np.uint8)


def _resized(
    image: Image.Image, width: int, height: int, box: tuple[float, float, float, float] | None
) -> NDArray[np.float32]:
    made = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.clip(np.asarray(made, np.float32), 0, 1)


def _inside_pad(
    image: Image.Image, width: int, height: int, fit: Fit
) -> tuple[float, float, float, float] | None:
    """Return the part of a padded square that shows the picture, in the map's own cells."""
    if fit != "pad":
        return None
    longest = max(width, height)
    across, down = image.width * width / longest, image.height * height / longest
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return left, top, left + across, top + down
