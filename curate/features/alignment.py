"""Say how well one picture agrees with a part of another, once the part is found exactly.

A view of a fixed grid meets a real crop only nearly, so the view's edges are moved as long as the
agreement grows. Luma alone takes things on white for each other; their detail (luma less its
surroundings) tells them apart. A whole picture whose hash is near needs to agree less than a view:
docs/decisions/0007-duplicate-verification.md has the figures behind the four limits.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
_PAIRS_AT_ONCE = 65_536
_ANGLES = (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)
# A thumbnail is rotated three times as large; its middle leaves out a tenth along each edge.
_LARGE, _EDGE = 96, 10

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
    cut = _cuts(part, [WHOLE])
    target = _normalised(cut)
    best, box = max(_correlations(target, whole, [view]))
    for step in _STEPS:
        moving = True
        while moving:
            moved = _correlations(target, whole, _neighbours(box, step))
            score, other = max(moved, default=(best, box))
            moving = score > best + _WORTH_MOVING
            if moving:
                best, box = score, other
    details = [_normalised(_details(values)) for values in (cut, _cuts(whole, [box]))]
    return Alignment(best, float(np.vdot(*details)), box)


def same_whole(first: Thumb, second: Thumb) -> bool:
    """Say whether two whole pictures, uint8[32, 32], show the same: as they are, or shifted.

    Either may be a little more than the other, so both are tried as the part.
    """
    pair = np.stack([first, second])
    return bool(plainly_same(pair, np.array([[0, 1]]))[0]) or same_shifted(first, second)


def same_shifted(first: Thumb, second: Thumb) -> bool:
    """Say whether whole pictures, uint8[32, 32], show the same when one is shifted on the other."""
    return align(first, second, WHOLE).is_same_whole or align(second, first, WHOLE).is_same_whole


def plainly_same(thumbs: Thumb, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of pairs int64[P, 2] of uint8[N, 32, 32] whether they show the same as they are: bool[P]."""
    luma, detail = plain_vectors(thumbs)
    return np.concatenate(
        [
            (_products(luma, some) >= LEAST_LUMA_OF_WHOLE)
            & (_products(detail, some) >= LEAST_DETAIL_OF_WHOLE)
            for some in np.split(pairs, range(_PAIRS_AT_ONCE, len(pairs), _PAIRS_AT_ONCE))
        ]
    )


def _products(vectors: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    products: NDArray[np.float32] = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(axis=1)
    return products


def same_part(first: Thumb, second: Thumb) -> bool:
    """Say whether one of two pictures, uint8[32, 32], shows all or a part of the other."""
    return align(first, second, WHOLE).is_copy or align(second, first, WHOLE).is_copy


def align_rotated(first: Thumb, second: Thumb) -> Alignment:
    """Align the middle of one whole picture, rotated by up to 6 degrees, with the other's.

    Both are uint8[32, 32]. The middle holds none of the corners that a rotation leaves empty.
    """
    large = Image.fromarray(first).resize((_LARGE, _LARGE), Image.Resampling.BICUBIC)
    middle = (_EDGE, _EDGE, _LARGE - _EDGE, _LARGE - _EDGE)
    parts = [
        np.asarray(
            large.rotate(angle, Image.Resampling.BICUBIC)
            .crop(middle)
            .resize(first.shape, Image.Resampling.BICUBIC)
        )
        for angle in _ANGLES
    ]
    start, stop = _EDGE / _LARGE, 1 - _EDGE / _LARGE
    box = (start, stop, start, stop)
    rotated = _normalised(np.concatenate([_cuts(part, [WHOLE]) for part in parts]))
    scores = np.einsum("nij,ij->n", rotated, _normalised(_cuts(second, [box]))[0])
    return align(parts[int(np.argmax(scores))], second, box)


def plain_vectors(thumbs: Thumb) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return luma and detail of uint8[N, 32, 32] as float32[N, 256], centred, of length 1."""
    rows = _means(thumbs.shape[1], 0.0, 1.0)
    cuts = rows @ thumbs.astype(np.float64) @ rows.T
    luma, detail = (
        _normalised(values).reshape(len(thumbs), -1).astype(np.float32)
        for values in (cuts, _details(cuts))
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


def borders(thumb: Thumb) -> tuple[Margins, Margins]:
    """Return the margins, and those that are rougher by JPEG or brighter by an edit."""
    return margins(thumb), margins(thumb, std=_ROUGH_STD)


def has_wider_border(first: tuple[Margins, Margins], second: tuple[Margins, Margins]) -> bool:
    """Say by `borders` whether one has px of one tone along its edges where its copy has a scene."""
    wider = [a - b for a, b in zip(first[0], second[1], strict=True)]
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


def _correlations(target: Floats, whole: Thumb, boxes: Sequence[Box]) -> list[tuple[float, Box]]:
    if not boxes:
        return []
    scores = np.einsum("nij,ij->n", _normalised(_cuts(whole, boxes)), target[0])
    return list(zip(scores.tolist(), boxes, strict=True))


def _cuts(thumb: Thumb, boxes: Sequence[Box]) -> Floats:
    """Return float[N, 16, 16] of the area means of boxes."""
    pixels: Floats = thumb.astype(np.float64)
    down = np.stack([_means(len(thumb), top, bottom) for _, _, top, bottom in boxes])
    across = np.stack([_means(len(thumb), left, right) for left, right, _, _ in boxes])
    return down @ pixels @ across.transpose(0, 2, 1)


@lru_cache(maxsize=4096)
def _means(side: int, start: float, stop: float) -> Floats:
    """Return float[16, side]: how much each source pixel weighs in each target pixel."""
    edges = np.linspace(start * side, stop * side, _SIDE + 1)
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights: Floats = np.maximum(overlap, 0) * (_SIDE / ((stop - start) * side))
    return weights


def _details(values: Floats) -> Floats:
    """Return float[N, 16, 16] less the mean of the 5 x 5 around each."""
    padded = np.pad(values, ((0, 0), (_AROUND, _AROUND), (_AROUND, _AROUND)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * _AROUND + 1,) * 2, (1, 2))
    rest: Floats = values - windows.mean(axis=(3, 4))
    return rest


def _normalised(values: Floats) -> Floats:
    """Return float[N, ...] with each centred and of length 1."""
    axes = tuple(range(1, values.ndim))
    centred = values - values.mean(axis=axes, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=axes, keepdims=True))
    unit: Floats = centred / np.where(lengths > 0, lengths, 1)
    return unit
