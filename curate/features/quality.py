"""Name what may be wrong with pictures: issues as cleanvision 0.3.7 names them, and outliers.

Sources: cleanvision's issue_managers/image_property.py and image_property_issue_manager.py.
Outliers are far from all other pictures by the embeddings that training left in the cache.
"""

from collections.abc import Iterable, Mapping
from math import ceil, floor, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from curate.settings import THRESHOLDS, Issue

ALGORITHM = "cleanvision0.3.7/draft128/3"
# A blank picture varies by a few steps of 255 around its one colour where the format is lossy;
# elsewhere a few steps are a picture: a dark one of 16 bits has no more.
BLANK_RANGE = 8
LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF"}
PIXEL_TRICK = 2
# Shares of the pixels that are darker.
_DARK, _BRIGHT = 0.05, 0.99
_SAMPLED, _MARGIN = 31, 0.02
_POWER = np.array([0.241, 0.691, 0.068], np.float32)
_BLUR_SIDE = 64
_HISTOGRAM_CUT = 0.18
_FOLDING = 0.01
_ENTROPY_SCALE = 0.1
# A bigger picture is measured at a fraction of its size: 40 megapixels would take 1 GB.
MANY_PIXELS = 4_000_000

NEIGHBOURS = 10
IQR_FACTOR = 3.0
EMBEDDINGS_NAME = "embeddings.npy"
# The SHA-256 of the picture of each row, one per line.
PICTURES_NAME = "pictures.txt"
_BLOCK = 512

Embeddings = NDArray[np.float32]


class Scores(NamedTuple):
    """A picture's measures, most of them 0 (bad) to 1 (good)."""

    dark: float
    light: float
    blurry: float
    low_information: float
    grey: bool
    colour_range: int

    def to_bytes(self) -> bytes:
        """Pack the scores as float32."""
        return np.array(self, "<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Scores":
        """Unpack what `to_bytes` packed."""
        dark, light, blurry, information, grey, colours = np.frombuffer(data, "<f4").tolist()
        return cls(dark, light, blurry, information, bool(grey), int(colours))


def score(image: Image.Image) -> Scores:
    """Measure an upright RGB picture; `colour_range` is the widest range of any channel, 0 to 255."""
    factor = ceil(sqrt(image.width * image.height / MANY_PIXELS))
    image = image.reduce(factor) if factor > 1 else image
    pixels = np.asarray(image)
    # The root of a percentile is the percentile of the roots, and far cheaper.
    power = ((pixels.astype(np.float32) ** 2) @ _POWER).ravel()
    # Grey before shrinking, which cleanvision does after: faster, and a step of 255 apart at most.
    shades = image.convert("L")
    counts = np.array(image.histogram()).reshape(3, 256)
    return Scores(
        dark=sqrt(-_low_percentile(-power, 1 - _BRIGHT)) / 255,
        light=1 - sqrt(_low_percentile(power, _DARK)) / 255,
        blurry=_blur_score(shades),
        low_information=min(1.0, _ENTROPY_SCALE * _entropy(counts)),
        grey=_is_grey(pixels),
        colour_range=max(int(np.ptp(np.flatnonzero(band))) for band in counts),
    )


def issues_of(
    scores: Scores,
    width: int,
    height: int,
    usual: tuple[float, float],
    thresholds: Mapping[Issue, float] = THRESHOLDS,
) -> list[Issue]:
    """Name a picture's issues; `usual` is the range of side lengths that is not odd, in px."""
    values: dict[Issue, float] = {
        "dark": scores.dark,
        "light": scores.light,
        "blurry": scores.blurry,
        "low_information": scores.low_information,
        "odd_aspect_ratio": min(width / height, height / width),
    }
    issues: list[Issue] = [i for i in values if values[i] < thresholds[i]]
    if not usual[0] <= sqrt(width * height) <= usual[1]:
        issues.append("odd_size")
    if scores.grey:
        issues.append("grayscale")
    return issues


def usual_sides(
    sizes: Mapping[str, tuple[int, int]], factor: float = THRESHOLDS["odd_size"]
) -> tuple[float, float]:
    """Return the range within `factor` interquartile ranges of the middle half of sqrt(area), px."""
    if not sizes:
        return 0.0, float("inf")
    q1, q3 = np.percentile([sqrt(w * h) for w, h in sizes.values()], [25, 75])
    return float(q1 - factor * (q3 - q1)), float(q3 + factor * (q3 - q1))


def is_placeholder(scores: Scores, width: int, height: int, file_format: str = "JPEG") -> bool:
    """Say whether a picture shows nothing: one colour, or a side of one or two px."""
    blank = BLANK_RANGE if file_format in LOSSY else 0
    return min(width, height) <= PIXEL_TRICK or scores.colour_range <= blank


def _low_percentile(values: NDArray[np.float32], share: float) -> float:
    """Return what np.percentile does for a share near 0, faster.

    Only the values below an edge guessed from every 31st are put in order.
    """
    place = share * (values.size - 1)
    low, high = floor(place), ceil(place)
    sample = np.sort(values[::_SAMPLED])
    edge = sample[min(sample.size - 1, ceil((share + _MARGIN) * sample.size))]
    least = values[values <= edge]
    parted = np.partition(least if least.size > high else values, (low, high))
    return float(parted[low] + (parted[high] - parted[low]) * (place - low))


def _entropy(counts: NDArray[np.int_]) -> float:
    """Return the entropy of int[3, 256] in bits, all channels taken together, as Pillow does."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Say whether the channels are equal; a look at every 31st row tells of most that they aren't."""
    return all(
        np.array_equal(rows[..., 0], rows[..., 1]) and np.array_equal(rows[..., 1], rows[..., 2])
        for rows in (pixels[::_SAMPLED], pixels)
    )


def _blur_score(shades: Image.Image) -> float:
    grey = _within(shades, _BLUR_SIDE)
    edge_std = float(np.asarray(grey.filter(ImageFilter.FIND_EDGES)).std())
    edges = 1 - np.exp(-_FOLDING * edge_std)
    tones = 1 - np.exp(-_FOLDING * np.std(grey.histogram()))
    return float(min(1.0, edges + (tones if tones > _HISTOGRAM_CUT else 0.0)))


def _within(image: Image.Image, side: int) -> Image.Image:
    ratio = max(image.size) / side
    if ratio <= 1:
        return image
    width, height = (max(int(s // ratio), 1) for s in image.size)
    return image.resize((width, height))


def outliers(root: Path, pictures: Iterable[str]) -> list[tuple[str, float]]:
    """Return the pictures unusually far from their neighbours, the farthest first.

    With each stands its mean cosine distance to the ten nearest others, 0 to 2. Unusual is more than three interquartile ranges above the upper quartile. A data set that has
    not been trained on has no embeddings and so no outliers.
    """
    embeddings = newest_embeddings(root / "cache" / "embeddings")
    if embeddings is None:
        return []
    names, rows = embeddings
    wanted = set(pictures)
    own = [k for k, name in enumerate(names) if name in wanted]
    if len(own) <= NEIGHBOURS:
        return []
    distances = neighbour_distances(rows[own])
    q1, q3 = np.percentile(distances, [25, 75])
    limit = q3 + IQR_FACTOR * (q3 - q1)
    far = ((names[k], float(d)) for k, d in zip(own, distances, strict=True) if d > limit)
    return sorted(far, key=lambda one: (-one[1], one[0]))


def newest_embeddings(cache: Path) -> tuple[list[str], Embeddings] | None:
    """Return SHA-256s and float32[N, features] of the newest folder that says whose they are."""
    folders = sorted(cache.glob(f"*/{PICTURES_NAME}"), key=lambda p: (-p.stat().st_mtime_ns, p))
    for names_file in folders:
        try:
            names = names_file.read_text(encoding="ascii").split()
            rows = np.load(names_file.parent / EMBEDDINGS_NAME, mmap_mode="r")
        except (OSError, ValueError):
            continue
        if rows.ndim == len(("pictures", "features")) and len(rows) == len(names):
            return names, rows
    return None


def neighbour_distances(rows: Embeddings) -> Embeddings:
    """Return each row's mean cosine distance to its nearest others, float32[N]."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(lengths, 1e-12)
    distances = np.empty(len(unit), np.float32)
    for start in range(0, len(unit), _BLOCK):
        block = slice(start, start + _BLOCK)
        alike = unit[block] @ unit.T
        own = np.arange(len(alike))
        alike[own, own + start] = -2
        nearest = np.partition(alike, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        distances[block] = 1 - nearest.mean(axis=1)
    return distances
