"""Say how well one picture agrees with a part of another, once the part is found exactly.

A view of a fixed grid meets a real crop only nearly, so the view's edges are moved as long as the
agreement grows. Measured on 4,493 candidate pairs: 99 of 100 real ones reach 0.9 (before moving
the edges half of them do).
"""

import numpy as np
from numpy.typing import NDArray

from curate.hashing import Box

WHOLE: Box = (0.0, 1.0, 0.0, 1.0)
AGREES = 0.9
_SIDE = 16
_STEPS = (0.04, 0.02, 0.01)
_SMALLEST = 0.6
_WORTH_MOVING = 1e-4

Thumb = NDArray[np.uint8]
Floats = NDArray[np.float64]


def agreement(part: Thumb, whole: Thumb, view: Box) -> tuple[float, Box]:
    """Return the best correlation (-1 to 1) of all of `part` with a box of `whole`, and the box.

    The search starts at `view` and climbs, moving one edge at a time by 4, 2, then 1 %.
    """
    target = _normalised(_cut(part, WHOLE))
    best, box = _correlation(target, whole, view), view
    for step in _STEPS:
        moving = True
        while moving:
            moved = [(_correlation(target, whole, b), b) for b in _neighbours(box, step)]
            score, other = max(moved, default=(best, box))
            moving = score > best + _WORTH_MOVING
            if moving:
                best, box = score, other
    return best, box


def correlation(first: Thumb, second: Thumb) -> float:
    """Return the normalised correlation (-1 to 1) of two whole thumbnails at 16 x 16 px."""
    return _correlation(_normalised(_cut(first, WHOLE)), second, WHOLE)


def outside_is_flat(whole: Thumb, box: Box, flat_std: float) -> bool:
    """Say whether what a box leaves out on each side is one tone: a border, not a scene."""
    side = len(whole)
    left, right, top, bottom = (round(edge * side) for edge in box)
    strips = (whole[:, :left], whole[:, right:], whole[:top], whole[bottom:])
    cut = [strip for strip in strips if strip.size]
    return bool(cut) and all(strip.std() < flat_std for strip in cut)


def _neighbours(box: Box, step: float) -> list[Box]:
    moved = []
    for edge in range(4):
        for by in (-step, step):
            left, right, top, bottom = (b + by * (k == edge) for k, b in enumerate(box))
            inside = min(left, top) >= 0 and max(right, bottom) <= 1
            if inside and min(right - left, bottom - top) >= _SMALLEST:
                moved.append((left, right, top, bottom))
    return moved


def _correlation(target: Floats, whole: Thumb, box: Box) -> float:
    return float(np.vdot(target, _normalised(_cut(whole, box))))


def _cut(thumb: Thumb, box: Box) -> Floats:
    """Return float[16, 16] of the area means of a box."""
    left, right, top, bottom = box
    return _means(len(thumb), top, bottom) @ thumb @ _means(len(thumb), left, right).T


def _means(side: int, start: float, stop: float) -> Floats:
    """Return float[16, side]: how much each source pixel weighs in each target pixel."""
    edges = np.linspace(start * side, stop * side, _SIDE + 1)
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.clip(overlap, 0, None) * (_SIDE / ((stop - start) * side))


def _normalised(values: Floats) -> Floats:
    centred = values - values.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else centred
