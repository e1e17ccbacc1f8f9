"""Score a picture's quality as cleanvision 0.3.7 does, and name its issues by the same thresholds.

Sources: cleanvision's issue_managers/image_property.py and image_property_issue_manager.py.
"""

from collections.abc import Mapping
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageStat

from curate.settings import Issue

ALGORITHM = "cleanvision0.3.7/draft128/1"
THRESHOLDS: dict[Issue, float] = {
    "dark": 0.32,
    "light": 0.05,
    "blurry": 0.29,
    "low_information": 0.3,
    "odd_aspect_ratio": 0.35,
}
IQR_FACTOR = 3.0
# A blank JPEG strays by a few steps of 255 around its one colour.
BLANK_RANGE = 8
PIXEL_TRICK = 2
_POWER = np.array([0.241, 0.691, 0.068], np.float32)
_BLUR_SIDE = 64
_SHARPNESS_SIDE = 128
_HISTOGRAM_CUT = 0.18
_FOLDING = 0.01
_ENTROPY_SCALE = 0.1


class Scores(NamedTuple):
    """A picture's measures, most of them 0 (bad) to 1 (good)."""

    dark: float
    light: float
    blurry: float
    low_information: float
    grey: bool
    sharpness: float
    colour_range: int

    def to_bytes(self) -> bytes:
        """Pack the scores as float32."""
        return np.array(self, "<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Scores":
        """Unpack what `to_bytes` packed."""
        dark, light, blurry, information, grey, sharpness, colours = map(
            float, np.frombuffer(data, "<f4")
        )
        return cls(dark, light, blurry, information, bool(grey), sharpness, int(colours))


# A bigger picture is measured at a fraction of its size: 40 megapixels would take 1 GB.
MANY_PIXELS = 4_000_000


def score(image: Image.Image) -> Scores:
    """Measure an upright RGB picture.

    `sharpness` is the spread of the edges at 128 px, where copies of any size compare;
    `colour_range` is the widest range of any channel, 0 to 255.
    """
    factor = ceil(sqrt(image.width * image.height / MANY_PIXELS))
    image = image.reduce(factor) if factor > 1 else image
    pixels = np.asarray(image)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    # The root of a percentile is the percentile of the roots, and far cheaper.
    power = (pixels.astype(np.float32) ** 2) @ _POWER
    low, high = np.sqrt(np.percentile(power, [5, 99])) / 255
    # Grey before shrinking, which cleanvision does after: a step of 255 at most, half the time.
    shades = image.convert("L")
    return Scores(
        dark=float(high),
        light=float(1 - low),
        blurry=_blur_score(shades),
        low_information=min(1.0, _ENTROPY_SCALE * image.entropy()),
        grey=bool(np.array_equal(red, green) and np.array_equal(green, blue)),
        sharpness=_edge_spread(_within(shades, _SHARPNESS_SIDE)),
        colour_range=max(int(high) - int(low) for low, high in ImageStat.Stat(image).extrema),
    )


def issues_of(scores: Scores, width: int, height: int, usual: tuple[float, float]) -> list[Issue]:
    """Name a picture's issues; `usual` is the range of side lengths that is not odd, in px."""
    values: dict[Issue, float] = {
        "dark": scores.dark,
        "light": scores.light,
        "blurry": scores.blurry,
        "low_information": scores.low_information,
        "odd_aspect_ratio": min(width / height, height / width),
    }
    found: list[Issue] = [i for i, least in THRESHOLDS.items() if values[i] < least]
    if not usual[0] <= sqrt(width * height) <= usual[1]:
        found.append("odd_size")
    if scores.grey:
        found.append("grayscale")
    return found


def usual_sides(sizes: Mapping[str, tuple[int, int]]) -> tuple[float, float]:
    """Return the range within three interquartile ranges of the middle half of sqrt(area), px."""
    if not sizes:
        return 0.0, float("inf")
    q1, q3 = np.percentile([sqrt(w * h) for w, h in sizes.values()], [25, 75])
    return float(q1 - IQR_FACTOR * (q3 - q1)), float(q3 + IQR_FACTOR * (q3 - q1))


def is_placeholder(scores: Scores, width: int, height: int) -> bool:
    """Say whether a picture shows nothing: one colour, or a side of one or two px."""
    return min(width, height) <= PIXEL_TRICK or scores.colour_range <= BLANK_RANGE


def _blur_score(shades: Image.Image) -> float:
    grey = _within(shades, _BLUR_SIDE)
    edges = 1 - np.exp(-_FOLDING * _edge_spread(grey))
    tones = 1 - np.exp(-_FOLDING * np.std(grey.histogram()))
    return float(min(1.0, edges + (tones if tones > _HISTOGRAM_CUT else 0.0)))


def _within(image: Image.Image, side: int) -> Image.Image:
    ratio = max(image.size) / side
    if ratio <= 1:
        return image
    width, height = (max(int(s // ratio), 1) for s in image.size)
    return image.resize((width, height))


def _edge_spread(grey: Image.Image) -> float:
    return float(ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).stddev[0])
