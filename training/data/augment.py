"""Make random views of a picture: crop, colour, rotation, erasing, mirroring, each by chance."""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALLEST_CROP = 0.35
STRONGEST_COLOUR = 0.2
WIDEST_TURN = 15.0
# Pixels next to an edge that turning mixes with what lies outside
MARGIN = 3
ERASED = (0.02, 0.2)
MIXED = 0.2
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Chances:
    """The chance of each kind of change, 0 to 1."""

    flip: float = 0.5
    crop: float = 0.0
    colour: float = 0.0
    rotation: float = 0.0
    erase: float = 0.0

    def __str__(self) -> str:
        """Name the chances, for the name of what was made with them."""
        return "/".join(f"{value:g}" for value in astuple(self))


def random_view(picture: Picture, chances: Chances, rng: np.random.Generator) -> Picture:
    """Return a changed copy of uint8[size, size, 3]."""
    draws = rng.random(5)
    image = Image.fromarray(picture)
    if draws[0] < chances.rotation:
        image = _turned(image, rng.uniform(-WIDEST_TURN, WIDEST_TURN))
    if draws[1] < chances.crop:
        image = _cropped(image, rng)
    view: Picture = np.array(image, np.uint8)
    if draws[2] < chances.colour:
        view = _recoloured(view, rng)
    if draws[3] < chances.erase:
        _erase(view, rng)
    return view[:, ::-1] if draws[4] < chances.flip else view


def mirrored(batch: NDArray[Any], chance: float, rng: np.random.Generator) -> NDArray[Any]:
    """Mirror some of a batch [N, height, width, channels] left to right, in place."""
    chosen = rng.random(len(batch)) < chance
    batch[chosen] = batch[chosen][:, :, ::-1]
    return batch


def mixing(count: int, chance: float, rng: np.random.Generator) -> tuple[float, NDArray[np.int64]]:
    """Return a batch's own share, 0.5 to 1, and the order of the one that it is mixed with.

    Zhang et al. 2017, arXiv:1710.09412, with one share for a batch.
    """
    order = rng.permutation(count)
    if rng.random() >= chance:
        return 1.0, order
    share = rng.beta(MIXED, MIXED)
    return float(max(share, 1 - share)), order


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut out a part of 35 to 100 % of the area, 3:4 to 4:3, and bring it back to the size."""
    width, height = image.size
    area = rng.uniform(SMALLEST_CROP, 1.0) * width * height
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    wide, high = min(width, np.sqrt(area * ratio)), min(height, np.sqrt(area / ratio))
    left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    box = (left, top, left + wide, top + high)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turn, then enlarge so far that no corner is empty."""
    angle = np.deg2rad(abs(degrees))
    grown = round(image.width * (np.cos(angle) + np.sin(angle))) + 2 * MARGIN
    large = image.resize((grown, grown), Image.Resampling.BICUBIC)
    turned = large.rotate(degrees, Image.Resampling.BICUBIC)
    edge = (grown - image.width) // 2
    return turned.crop((edge, edge, edge + image.width, edge + image.height))


def _recoloured(view: Picture, rng: np.random.Generator) -> Picture:
    bright, hard, colourful = rng.uniform(1 - STRONGEST_COLOUR, 1 + STRONGEST_COLOUR, 3)
    values = view.astype(np.float32) * np.float32(bright)
    mean = values.mean()
    values = mean + (values - mean) * np.float32(hard)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * np.float32(colourful)
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)


def _erase(view: Picture, rng: np.random.Generator) -> None:
    """Fill a rectangle with the picture's mean colour. Zhong et al. 2017, arXiv:1708.04896."""
    height, width = view.shape[:2]
    area = rng.uniform(*ERASED) * height * width
    ratio = np.exp(rng.uniform(np.log(1 / 2), np.log(2)))
    wide = min(width, max(1, round(np.sqrt(area * ratio))))
    high = min(height, max(1, round(np.sqrt(area / ratio))))
    left, top = rng.integers(0, width - wide + 1), rng.integers(0, height - high + 1)
    view[top : top + high, left : left + wide] = view.mean(axis=(0, 1)).round()
