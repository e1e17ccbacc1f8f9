"""Grad-CAM for a pooled feature map below a small head: the heat map, and the picture it lies over.

Where the head sees averages of the feature map, the gradient is the same at every place, so the
map needs no automatic differentiation: training and serving share these few lines of numpy.
Selvaraju et al. 2017, arXiv:1610.02391.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.images import Fit, centre_box

Floats = NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)


class Dense(NamedTuple):
    """One dense layer: kernel float[inputs, outputs], bias float[outputs], with a relu or none."""

    kernel: Floats
    bias: Floats
    relu: bool


class Reading(NamedTuple):
    """The class read, its probability, and how each pooled value speaks for it, float64[D]."""

    label: int
    probability: float
    weights: Floats


def read_head(
    pooled: NDArray[np.floating], head: Sequence[Dense], label: int | None = None
) -> Reading:
    """Run the head on pooled values float[D]; read the class asked for, or the most probable.

    The weights are the gradient of the class's log odds. It points where the gradient of the log
    probability does, but does not vanish when the probability is 1.
    """
    values, passed = pooled.astype(np.float64), []
    for layer in head:
        values = values @ layer.kernel + layer.bias
        passed.append(values > 0 if layer.relu else np.ones(len(values), bool))
        values = values * passed[-1]
    chosen = int(values.argmax()) if label is None else label
    slope = -_shares_of_others(values, chosen)
    slope[chosen] = 1.0
    for layer, open_ in zip(reversed(head), reversed(passed), strict=True):
        slope = layer.kernel @ (slope * open_)
    return Reading(chosen, float(softmax(values)[chosen]), slope)


def heat_map(features: NDArray[np.floating], weights: Floats) -> NDArray[np.float32]:
    """Return float32[h, w] in 0..1 of a feature map float[h, w, C]; the last C weights are its own.

    All zeros where nothing in the picture speaks for the class.
    """
    summed = np.maximum(features.astype(np.float64) @ weights[-features.shape[-1] :], 0)
    most = summed.max()
    return np.asarray(summed / most if most > 0 else summed, np.float32)


def softmax(logits: NDArray[Real]) -> NDArray[Real]:
    """Return probabilities float[..., classes] that add up to 1 along the last axis."""
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[Real] = shares / shares.sum(axis=-1, keepdims=True)
    return probabilities


def _shares_of_others(values: Floats, label: int) -> Floats:
    """Return the softmax over all classes but one, float64[classes]."""
    others = values.copy()
    others[label] = -np.inf
    return softmax(others)


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
