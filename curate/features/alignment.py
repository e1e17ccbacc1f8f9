"""Say how well one picture agrees with a part of another, once the part is found exactly.

A view of a fixed grid meets a real crop only nearly, so the view's edges are moved as long as the
agreement grows. Luma alone takes things on white for each other; their detail (luma less its
surroundings) tells them apart. A whole picture whose hash is near needs to agree less than a view:
docs/decisions/0007-duplicate-verification.md has the figures behind the four limits.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.features.phash import FLAT_STD, Box

WHOLE: Box = (0.0, 1.0, 0.0, 1.0)
LEAST_LUMA = 0.93
LEAST_DETAIL = 0.94
LEAST_LUMA_OF_WHOLE = 0.7
LEAST_DETAIL_OF_WHOLE = 0.6
_SIDE = 16
_STEPS = (0.04, 0.02, 0.01)
_SMALLEST = 0.6
_WORTH_MOVING = 1e-4
_LEAST_BORDER = 2
_ROUGH_STD = 2 * FLAT_STD
_AROUND = 2

Margins = tuple[int, int, int, int]
Thumb = NDArray[np.uint8]
Floats = NDArray[np.float64]


class Alignment(NamedTuple):
    """How well a picture agrees with a box of another: correlations, -1 to 1."""

    luma: float
    detail: float
    box: Box

    @property
    def is_copy(self) -> bool:
        """Say whether a view shows the same."""
        return self.luma >= LEAST_LUMA and self.detail >= LEAST_DETAIL

    @property
    def is_same_whole(self) -> bool:
        """Say whether whole pictures whose hashes are near show the same."""
        return self.luma >= LEAST_LUMA_OF_WHOLE and self.detail >= LEAST_DETAIL_OF_WHOLE


def align(part: Thumb, whole: Thumb, view: Box) -> Alignment:
    """Find the box of `whole` that agrees best with all of `part`, both uint8[32, 32].

    The search starts at `view` and climbs, moving one edge at a time by 4, 2, then 1 %.
    """
    cut = _cut(part, WHOLE)
    target = _normalised(cut)
    best, box = _correlation(target, whole, view), view
    for step in _STEPS:
        moving = True
        while moving:
            moved = [(_correlation(target, whole, b), b) for b in _neighbours(box, step)]
            score, other = max(moved, default=(best, box))
            moving = score > best + _WORTH_MOVING
            if moving:
                best, box = score, other
    details = [_normalised(_detail(values)) for values in (cut, _cut(whole, box))]
    return Alignment(best, float(np.vdot(*details)), box)


def same_whole(first: Thumb, second: Thumb) -> bool:
    """Say whether two whole pictures, uint8[32, 32], show the same: as they are, or shifted.

    Either may be a little more than the other, so both are tried as the part.
    """
    luma, detail = plain_vectors(np.stack([first, second]))
    plain = Alignment(float(luma[0] @ luma[1]), float(detail[0] @ detail[1]), WHOLE)
    return (
        plain.is_same_whole
        or align(first, second, WHOLE).is_same_whole
        or align(second, first, WHOLE).is_same_whole
    )


def same_part(first: Thumb, second: Thumb) -> bool:
    """Say whether one of two pictures, uint8[32, 32], shows all or a part of the other."""
    return align(first, second, WHOLE).is_copy or align(second, first, WHOLE).is_copy


def plain_vectors(thumbs: Thumb) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return luma and detail of uint8[N, 32, 32] as float32[N, 256], centred, of length 1."""
    rows = _means(thumbs.shape[1], 0.0, 1.0)
    cuts = rows @ thumbs.astype(np.float64) @ rows.T
    details = np.stack([_detail(cut) for cut in cuts])
    luma, detail = (
        np.stack([_normalised(value).ravel() for value in values]).astype(np.float32)
        for values in (cuts, details)
    )
    return luma, detail


def margins(thumb: Thumb, *, std: float = FLAT_STD) -> Margins:
    """Return how many px of one tone lie along the left, right, top and bottom edge.

    Tones within `std` count as one. Where two that face each other meet there is no scene between
    them, as on a flag of two bands: then neither is a border.
    """
    return (*_facing(thumb.T, std), *_facing(thumb, std))


def is_frame(thumb: Thumb, box: Box) -> bool:
    """Say whether what a box leaves out is one tone on every side: a border, not a scene."""
    left, right, top, bottom = (edge * len(thumb) for edge in box)
    cuts = (left, len(thumb) - right, top, len(thumb) - bottom)
    # The px where border and scene meet is neither.
    framed = [0 < margin >= cut - 1.5 for cut, margin in zip(cuts, margins(thumb), strict=True)]
    return any(cut >= 1 for cut in cuts) and all(
        ok or cut < 1 for ok, cut in zip(framed, cuts, strict=True)
    )


def has_wider_border(first: Thumb, second: Thumb) -> bool:
    """Say whether `first` has one-toned px along its edges where its copy `second` has a scene.

    The same margin of the copy may be rougher by JPEG or brighter by an edit.
    """
    rough = margins(second, std=_ROUGH_STD)
    wider = [a - b for a, b in zip(margins(first), rough, strict=True)]
    return min(wider) >= 0 and sum(wider) >= _LEAST_BORDER


def _facing(rows: Thumb, std: float) -> tuple[int, int]:
    means, plain = rows.mean(axis=1), rows.std(axis=1) < std
    first, last = (
        _leading(flat & (np.abs(tones - tones[0]) < std))
        for flat, tones in ((plain, means), (plain[::-1], means[::-1]))
    )
    return (first, last) if first + last < len(rows) else (0, 0)


def _leading(same: NDArray[np.bool_]) -> int:
    return len(same) if same.all() else int(np.argmin(same))


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
    pixels: Floats = thumb.astype(np.float64)
    return _means(len(thumb), top, bottom) @ pixels @ _means(len(thumb), left, right).T


@lru_cache(maxsize=4096)
def _means(side: int, start: float, stop: float) -> Floats:
    """Return float[16, side]: how much each source pixel weighs in each target pixel."""
    edges = np.linspace(start * side, stop * side, _SIDE + 1)
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights: Floats = np.maximum(overlap, 0) * (_SIDE / ((stop - start) * side))
    return weights


def _detail(values: Floats) -> Floats:
    """Return the values less the mean of the 5 x 5 around each."""
    padded = np.pad(values, _AROUND, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * _AROUND + 1,) * 2)
    rest: Floats = values - windows.mean(axis=(2, 3))
    return rest


def _normalised(values: Floats) -> Floats:
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    unit: Floats = centred / length if length > 0 else centred
    return unit
