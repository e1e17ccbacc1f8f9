"""Find every pair of 64-bit hashes within a radius: exactly, with numpy alone.

Identical hashes are collapsed first. Few distinct ones are compared all with all, many are joined
by multi-index hashing (`curate/multi_index.py`). Both ways return the same pairs.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.multi_index import Found, Hashes, Indices, near_pairs, products

BRUTE_BELOW = 1_500
Mask = NDArray[np.bool_]
_TILE = 500_000
# A pair in one number, so that it takes 8 bytes and sorts fast: i, j, distance.
_PLACE_BITS, _DISTANCE_BITS = 28, 7


class Pairs(NamedTuple):
    """Index pairs and their distances in bits: int64[P], int64[P], uint8[P]."""

    i: Indices
    j: Indices
    d: NDArray[np.uint8]


class _Groups(NamedTuple):
    """Distinct hashes, and where in `members` the indices of each start and how many they are."""

    unique: Hashes
    members: Indices
    starts: Indices
    counts: Indices


def pairs_within(hashes: Hashes, radius: int, *, brute_below: int = BRUTE_BELOW) -> Pairs:
    """Return each pair i < j of uint64[N] at most `radius` bits apart once, sorted by i, then j.

    Memory grows with N and with the number of pairs found, never with N squared.
    """
    groups = _grouped(hashes)
    twins = np.flatnonzero(groups.counts > 1)
    near = [(twins, twins, np.zeros(len(twins), np.uint8))]
    near += _near(groups.unique, groups.unique, radius, same=True, brute_below=brute_below)
    return _sorted(
        _packed(np.minimum(i, j)[once], np.maximum(i, j)[once], d[once])
        for i, j, d in _members(near, groups, groups)
        for once in [(i < j) | (d > 0)]  # twins are met in both orders
    )


def cross_pairs(a: Hashes, b: Hashes, radius: int, *, brute_below: int = BRUTE_BELOW) -> Pairs:
    """Return each pair (i in a, j in b) at most `radius` bits apart once, sorted by i, then j."""
    groups_a, groups_b = _grouped(a), _grouped(b)
    near = _near(groups_a.unique, groups_b.unique, radius, same=False, brute_below=brute_below)
    return _sorted(_packed(*found) for found in _members(near, groups_a, groups_b))


def new_pairs_within(hashes: Hashes, new: Mask, radius: int) -> Pairs:
    """Return the pairs of `pairs_within` that a new picture is part of; `new` is bool[N].

    New ones are compared with all, old ones not with each other: what a set costs that grows.
    """
    if new.all():
        return pairs_within(hashes, radius)
    fresh, old = np.flatnonzero(new), np.flatnonzero(~new)
    among, across = (
        pairs_within(hashes[fresh], radius),
        cross_pairs(hashes[fresh], hashes[old], radius),
    )
    i, j = fresh[across.i], old[across.j]
    return _sorted(
        [
            _packed(fresh[among.i], fresh[among.j], among.d),
            _packed(np.minimum(i, j), np.maximum(i, j), across.d),
        ]
    )


def new_cross_pairs(a: Hashes, b: Hashes, new: tuple[Mask, Mask], radius: int) -> Pairs:
    """Return the pairs of `cross_pairs` of which one side is new; `new` is bool[len(a)], bool[len(b)]."""
    new_a, new_b = new
    if new_a.all() or new_b.all():
        return cross_pairs(a, b, radius)
    fresh, old, late = np.flatnonzero(new_a), np.flatnonzero(~new_a), np.flatnonzero(new_b)
    first, second = cross_pairs(a[fresh], b, radius), cross_pairs(a[old], b[late], radius)
    return _sorted(
        [
            _packed(fresh[first.i], first.j, first.d),
            _packed(old[second.i], late[second.j], second.d),
        ]
    )


def _grouped(hashes: Hashes) -> _Groups:
    members = np.argsort(hashes, kind="stable")
    ordered = hashes[members]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(hashes)])
    return _Groups(ordered[starts], members, starts, np.diff(starts, append=len(hashes)))


def _near(a: Hashes, b: Hashes, radius: int, *, same: bool, brute_below: int) -> Iterator[Found]:
    if len(a) * len(b) <= brute_below**2:
        return _brute(a, b, radius, same=same)
    return near_pairs(a, b, radius, same=same)


def _brute(a: Hashes, b: Hashes, radius: int, *, same: bool) -> Iterator[Found]:
    """Compare all with all, a tile of rows at a time; of one set only the upper triangle."""
    rows = max(1, _TILE // max(1, len(b)))
    for top in range(0, len(a), rows):
        left = top if same else 0
        distances = np.bitwise_count(a[top : top + rows, None] ^ b[None, left:])
        i, j = np.nonzero(distances <= radius)
        d = distances[i, j]
        i, j = i + top, j + left
        keep = i < j if same else slice(None)
        yield i[keep], j[keep], d[keep]


def _members(near: Iterable[Found], a: _Groups, b: _Groups) -> Iterator[Found]:
    """Replace pairs of distinct hashes by pairs of the indices that have them."""
    for i, j, d in near:
        ranges_a, ranges_b = (a.starts[i], a.counts[i]), (b.starts[j], b.counts[j])
        for which, place_a, place_b in products(ranges_a, ranges_b):
            yield a.members[place_a], b.members[place_b], d[which]


def _packed(i: Indices, j: Indices, d: NDArray[np.uint8]) -> NDArray[np.int64]:
    packed: NDArray[np.int64] = (i << _PLACE_BITS | j) << _DISTANCE_BITS | d
    return packed


def _sorted(parts: Iterable[NDArray[np.int64]]) -> Pairs:
    packed = np.concatenate([np.empty(0, np.int64), *parts])
    packed.sort()
    places = packed >> _DISTANCE_BITS
    distances = (packed & (1 << _DISTANCE_BITS) - 1).astype(np.uint8)
    return Pairs(places >> _PLACE_BITS, places & (1 << _PLACE_BITS) - 1, distances)
