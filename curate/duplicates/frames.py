"""Find what many pictures of a set share around different insides: frames of any kind.

Two pictures whose hashes are near are compared on thumbnails. Where they differ in some place, the
px in which they agree, connected to the edges, may be a frame. They are one when other pictures
have the same px there and something else inside: docs/decisions/0021-frames-and-turns.md.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.duplicates.hamming import pairs_within
from curate.features import cache
from curate.features.cache import Features
from curate.features.inside import SAME_TONE, frames_enough
from curate.features.phash import FLAT_STD, NO_HASH, THUMB_SIDE, Box
from curate.settings import CurateSettings
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar

# What of the shared px another picture must have, and how alike (correlation) it may be inside.
_SHARED = 0.7
_UNLIKE = 0.5
_LEAST_OTHERS = 2
_ASKED = 1_024
# What many share need not leave a box; a picture is not tried with all the others then.
_MOST_TRIES = 2
_LEAST_SHARED = 0.1
_MOST_SHARED = 0.95
# A line of the box may have this share of shared px: by chance, or where a corner is round.
_SHARED_OF_LINE = 0.05
_LEAST_SIDE = 8
_BLOCK = 4
_LEAST_AGREEMENT = 0.5
_PAIRS_AT_ONCE = 4_096

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


def measure(
    manifest: Manifest,
    files: Mapping[str, Path],
    settings: CurateSettings,
    make_bar: Callable[[str], Callable[[int], Bar]],
) -> Features:
    """Return the features of pictures (SHA-256 -> file), those of the inside of frames included.

    What is missing is measured and kept in the manifest. Raises DamagedDataError when a file is
    missing or cannot be read.
    """
    exact, executor = settings.exact_hash, settings.executor
    cache.measure_missing(manifest, files, executor, make_bar("measuring"), exact=exact)
    features = cache.load(manifest, files, exact=exact)
    searched = manifest.features(*cache.SHARED).keys()
    boxes = find_frames(features, settings.leak_radius, searched)
    if not cache.measure_insides(manifest, files, boxes, executor, make_bar("inside frames")):
        return features
    return cache.load(manifest, files, exact=exact)


def find_frames(features: Features, radius: int, searched: Collection[str] = ()) -> dict[str, Box]:
    """Return SHA-256 -> box inside the frame that a picture shares with others of the set.

    Only pictures of which no inside is known, and that were not `searched` before, are in it.
    """
    names = sorted(s for s, value in features.whole.items() if value != NO_HASH)
    if not names:
        return {}
    first, second, _ = pairs_within(np.array([features.whole[s] for s in names], np.uint64), radius)
    known = {*features.insides, *searched}
    framed = {place for place, s in enumerate(names) if s in known}
    thumbs = np.stack([features.thumbs[s] for s in names])
    boxes = shared_frames(thumbs, np.stack([first, second], axis=1), framed)
    return {names[place]: box for place, box in boxes.items() if place not in framed}


def shared_frames(
    thumbs: Pixels, pairs: NDArray[np.int64], framed: Collection[int] = ()
) -> dict[int, Box]:
    """Return place -> box inside the frame that a picture of uint8[N, 32, 32] shares with others.

    `pairs` int64[P, 2] are those whose hashes are near; no frame is looked for between two that are
    `framed` already.
    """
    pictures = thumbs.reshape(len(thumbs), -1)
    some = pictures[:: max(1, len(pictures) // _ASKED)]
    boxes, tries = dict[int, Box](), Counter[int]()
    known = np.isin(np.arange(len(pictures)), list(framed))
    for first, second in _unlike_somewhere(pictures, pairs[~known[pairs].all(axis=1)]):
        if known[[first, second]].all() or max(tries[first], tries[second]) >= _MOST_TRIES:
            continue
        pair = pictures[[first, second]].astype(np.int16)
        shared = connected_to_edges(np.abs(pair[0] - pair[1]) <= SAME_TONE)
        if not _LEAST_SHARED <= shared.mean() <= _MOST_SHARED:
            continue
        others = some[_others(pair, shared, some)]
        if len(others) < _LEAST_OTHERS:
            continue
        tries.update((first, second))
        frame = connected_to_edges(_agreement(others, pair[0], axis=0) >= _LEAST_AGREEMENT)
        box = _box_inside(frame)
        if box is not None:
            same = _agreement(pictures[:, frame], pair[0, frame], axis=1) >= _SHARED
            boxes |= dict.fromkeys(np.flatnonzero(same & ~known).tolist(), box)
            known |= same
    return boxes


def _agreement(pictures: Pixels, picture: NDArray[np.int16], axis: int) -> Floats:
    """Return the share of px of the same tone as a picture's."""
    share: Floats = (np.abs(pictures - picture) <= SAME_TONE).mean(axis=axis)
    return share


def _unlike_somewhere(pictures: Pixels, pairs: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that differ in some window of the thumbnail."""
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        first, second = (pictures[places].astype(np.float32) for places in some.T)
        unlike = _differ_in_a_window(first, second)
        yield from some[unlike].tolist()


def _differ_in_a_window(first: Floats, second: Floats) -> Mask:
    """Say of pairs of float32[P, 1024] whether an 8 x 8 px window of one has a scene the other lacks."""
    blocks = THUMB_SIDE // _BLOCK

    def means(values: Floats) -> Floats:
        sums = values.reshape(-1, blocks, _BLOCK, blocks, _BLOCK).mean(axis=(2, 4))
        rows = sums[:, :-1] + sums[:, 1:]
        windows: Floats = (rows[:, :, :-1] + rows[:, :, 1:]) / 4
        return windows

    mean_first, mean_second = means(first), means(second)
    variance_first = means(first**2) - mean_first**2
    variance_second = means(second**2) - mean_second**2
    covariance = means(first * second) - mean_first * mean_second
    scale = np.sqrt(np.maximum(variance_first * variance_second, 1.0))
    has_scene = np.maximum(variance_first, variance_second) > FLAT_STD**2
    unlike: Mask = (has_scene & (covariance < _LEAST_AGREEMENT * scale)).any(axis=(1, 2))
    return unlike


def connected_to_edges(mask: Mask) -> Mask:
    """Return the px of a mask, bool[1024], that other px of it connect to an edge of the picture."""
    inside = mask.reshape(THUMB_SIDE, THUMB_SIDE)
    reached = inside.copy()
    reached[1:-1, 1:-1] = False
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= inside
        if (grown == reached).all():
            return reached.reshape(-1)
        reached = grown


def _others(pair: NDArray[np.int16], shared: Mask, pictures: Pixels) -> NDArray[np.int64]:
    """Return the pictures that have the shared px of a pair, and inside are like neither of it."""
    same = [_agreement(pictures[:, shared], one[shared], axis=1) for one in pair]
    places = np.flatnonzero(np.minimum(*same) >= _SHARED)
    inside = pictures[places][:, ~shared].astype(np.float32)
    alike = _centred(inside) @ _centred(pair[:, ~shared].astype(np.float32)).T
    return places[(alike <= _UNLIKE).all(axis=1)]


def _centred(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    unit: Floats = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return unit


def _box_inside(frame: Mask) -> Box | None:
    """Return the box that is left when lines of a frame, bool[1024], are taken off the edges."""
    mask = frame.reshape(THUMB_SIDE, THUMB_SIDE)
    left, right, top, bottom = 0, THUMB_SIDE, 0, THUMB_SIDE
    while min(right - left, bottom - top) >= _LEAST_SIDE:
        part = mask[top:bottom, left:right]
        lines = [part[:, 0].mean(), part[:, -1].mean(), part[0].mean(), part[-1].mean()]
        worst = int(np.argmax(lines))
        if lines[worst] <= _SHARED_OF_LINE:
            box = left / THUMB_SIDE, right / THUMB_SIDE, top / THUMB_SIDE, bottom / THUMB_SIDE
            return box if frames_enough(box) else None
        left, right = left + (worst == 0), right - (worst == 1)
        top, bottom = top + (worst == 2), bottom - (worst == 3)  # noqa: PLR2004  the third edge, the fourth
    return None
