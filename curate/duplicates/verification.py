"""Say whether pictures whose hashes are near show the same, from their aligned thumbnails.

Pictures that both have a frame must also agree inside it: a frame that many pictures share makes
different ones alike.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.features.alignment import Alignment, align, align_rotated, same_part, same_whole
from curate.features.cache import Features
from curate.features.inside import Inside
from curate.features.phash import VIEWS, orient

# Bits by which copies may differ inside their frames.
_NEAR_INSIDE = 8


class Scene(NamedTuple):
    """All of a picture, or what is `inside` its frame: uint64[8], uint64[22], uint8[32, 32]."""

    sha256: str
    hashes: NDArray[np.uint64]
    views: NDArray[np.uint64]
    thumb: NDArray[np.uint8]
    inside: bool = False


def scenes_of(features: Features, names: Iterable[str]) -> list[Scene]:
    """Return the scenes of pictures: each, and then what is inside each frame."""
    names = list(names)
    wholes = [Scene(s, features.oriented[s], features.views[s], features.thumbs[s]) for s in names]
    framed = ((s, features.insides[s]) for s in names if s in features.insides)
    return wholes + [Scene(s, i.hashes, i.views, i.thumb, inside=True) for s, i in framed]


def same_picture(
    features: Features, first: str, second: str, orientation: int = 0, *, plain: bool = False
) -> bool:
    """Say whether two whole pictures (SHA-256) show the same, the second one in an orientation.

    `plain` says that their thumbnails are known to agree as they are.
    """
    one, other = features.thumbs[first], features.thumbs[second]
    if orientation:
        same = same_part(one, orient(other, orientation))
    else:
        same = plain or same_whole(one, other)
    inside, around = features.insides.get(first), features.insides.get(second)
    if not same or inside is None or around is None:
        return same
    return _agree(inside, around, orientation)


def same_rotated(features: Features, first: str, second: str) -> bool:
    """Say whether two whole pictures show the same, one of them rotated by a few degrees."""
    if {first, second} <= features.insides.keys():
        return False
    # The same answer in whichever order they are named.
    one, other = (features.thumbs[s] for s in sorted((first, second)))
    return align_rotated(one, other).is_copy


def same_inside(features: Features, first: str, second: str, orientation: int = 0) -> bool:
    """Say whether two pictures show the same inside their frames; one may have none."""
    insides = features.insides
    one, other = (insides[s].thumb if s in insides else features.thumbs[s] for s in (first, second))
    return same_part(one, orient(other, orientation))


def align_view(
    features: Features, part: Scene, whole: Scene, view: int, orientation: int = 0
) -> Alignment | None:
    """Align a scene with a view of another; None when it does not show the same."""
    alignment = align(orient(part.thumb, orientation), whole.thumb, VIEWS[view])
    framed = {part.sha256, whole.sha256} <= features.insides.keys()
    known = part.inside or whole.inside or not framed
    if alignment.is_copy and (
        known or same_inside(features, whole.sha256, part.sha256, orientation)
    ):
        return alignment
    return None


def _agree(first: Inside, second: Inside, orientation: int) -> bool:
    """Say whether what two frames enclose is near and shows the same."""
    distance = int(first.hashes[0] ^ second.hashes[orientation]).bit_count()
    return distance <= _NEAR_INSIDE and same_whole(first.thumb, orient(second.thumb, orientation))
