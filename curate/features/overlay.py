"""Say which of two copies has something drawn over it: a watermark, a caption, a logo.

The tones of one copy are fitted to the other's. What is drawn stands out where the copies differ by
more than their noise and the tones around each px explain. The step into such an area is a step of
the marked copy; the other shows its scene going on there. docs/decisions/0007 has the figures.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
# Tones that were not cut off at black or white.
_DARKEST, _LIGHTEST = 5, 249
_LEAST_INSIDE = 0.1
_ROUNDS = 3
_LEAST_DIFFERENCE = 6.0
_FITTED = 2.5
# Of the differences a quarter exceeds the quartile; a codec's hardly exceed this many.
_QUARTILES = 4.5
_SHARE_OF_RANGES = 0.25
# Shares: of the px, of the power of all differences, of the picture's contrast.
_LEAST_AREA = 0.002
_LEAST_POWER = 0.1
_MOST_NOISE = 0.1
# A step is one copy's when at most this share of it is the other's.
_MOST_OF_OTHER = 0.4

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def small_luma(grey: Image.Image) -> Luma:
    """Return uint8[96, 96] of a picture in mode L, the aspect ratio ignored."""
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def is_overlaid(first: Luma, second: Luma) -> bool:
    """Say whether `first` has something drawn over it that its copy `second` has not.

    Both are uint8[96, 96] of one whole scene. Of two copies at most one is overlaid.
    """
    a, b = (luma.astype(np.float32) for luma in (first, second))
    inside = (np.minimum(a, b) >= _DARKEST) & (np.maximum(a, b) <= _LIGHTEST)
    if inside.mean() < _LEAST_INSIDE:
        return False
    if a[inside].std() <= b[inside].std():
        return abs(_share_of_steps(a, b, inside) - 1) < _MOST_OF_OTHER
    return abs(_share_of_steps(b, a, inside)) < _MOST_OF_OTHER


def _share_of_steps(weaker: Floats, stronger: Floats, inside: Mask) -> float:
    """Return the share of the steps into what was drawn that the copy of less contrast has.

    0 and 1 say which copy is marked; NaN that nothing was drawn, or no one can tell.
    """
    fitted, quartile = _fit(weaker, stronger, inside)
    difference = stronger - fitted
    ranges = _range_around(fitted) + _range_around(stronger)
    limit = max(_QUARTILES * quartile, _LEAST_DIFFERENCE) + _SHARE_OF_RANGES * ranges
    drawn = np.abs(difference) > limit
    power = difference**2
    if not (
        drawn.mean() >= _LEAST_AREA
        and power[drawn].sum() >= _LEAST_POWER * power.sum()
        and quartile <= _MOST_NOISE * stronger.std()
    ):
        return float("nan")
    of_weaker = of_both = 0.0
    for axis in (0, 1):
        edge = np.diff(drawn, axis=axis)
        step = np.diff(difference, axis=axis)[edge]
        of_weaker -= float(step @ np.diff(fitted, axis=axis)[edge])
        of_both += float(step @ step)
    return of_weaker / of_both if of_both else float("nan")


def _fit(weaker: Floats, stronger: Floats, inside: Mask) -> tuple[Floats, float]:
    """Return the weaker copy in the tones of the stronger, and the quartile of what differs."""
    kept = inside
    for _ in range(_ROUNDS):
        a, b = weaker[kept], stronger[kept]
        gain = b.std() / max(a.std(), 1e-6)
        fitted = np.clip(gain * (weaker - a.mean()) + b.mean(), 0, 255)
        differences = np.abs(stronger - fitted)
        quartile = float(np.quantile(differences[inside], 0.75))
        kept = inside & (differences <= max(_FITTED * quartile, 2))
    return fitted, quartile


def _range_around(luma: Floats) -> Floats:
    """Return the lightest less the darkest of the 3 x 3 px around each."""
    padded = np.pad(luma, 1, mode="edge")
    lightest, darkest = (
        _three(_three(padded, pick).T, pick).T for pick in (np.maximum, np.minimum)
    )
    return lightest - darkest


def _three(luma: Floats, pick: np.ufunc) -> Floats:
    """Return the lightest or darkest of every three rows."""
    picked: Floats = pick(pick(luma[:-2], luma[1:-1]), luma[2:])
    return picked
