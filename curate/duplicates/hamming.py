"""Find every pair of 64-bit hashes within a radius: exactly, with numpy alone.

Identical hashes are collapsed first. Few distinct ones are compared all with all, many are joined
by multi-index hashing. Both ways return the same pairs.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, pairwise
from math import comb, exp
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 64
# Sets are compared all with all up to the square of this many pairs.
BRUTE_BELOW = 1_500
_THREADS = min(2, os.cpu_count() or 1)
_PAGE = 8
_TILE = 1_024
_CHUNK = 1_000_000
_PADDING = np.uint64(0)
_BAND_COUNTS = range(3, 17)
# Costs in comparisons of two hashes.
_PAGE_PAIR_COST = _PAGE * _PAGE + 30
_BUCKET_COST = 10
_MASK_COST = 50_000
_PAIRS_AT_ONCE = 65_536
# A pair in one number, so that it takes 8 bytes and sorts fast: i, j, distance.
_PLACE_BITS, _DISTANCE_BITS = 28, 7

Mask = NDArray[np.bool_]
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
PairArrays = tuple[Indices, Indices, NDArray[np.uint8]]
Ranges = tuple[Indices, Indices]


class Band(NamedTuple):
    """Some neighbouring bits of a hash, and in how many of them a pair may differ."""

    shift: int
    width: int
    limit: int


def nearest_of(
    queries: Hashes, hashes: Hashes, find: Callable[[Hashes, Hashes, Indices], PairArrays]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (i, j) -> (distance, k) of the nearest of row j's hashes, uint64[M, K], to query i.

    Hashes of 0, which flat pictures have, are left out. `find` returns the pairs of two sets within
    a radius; its third argument is the row of each hash of the second.
    """
    flat = hashes.reshape(-1)
    used = np.flatnonzero(flat)
    rows, columns = np.divmod(used, hashes.shape[1])
    nearest: dict[tuple[int, int], tuple[int, int]] = {}
    for i, place, d in zip(
        *(part.tolist() for part in find(queries, flat[used], rows)), strict=True
    ):
        pair = i, int(rows[place])
        nearest[pair] = min(nearest.get(pair, (BITS, 0)), (d, int(columns[place])))
    return nearest


def near_pairs(
    a: Hashes, b: Hashes, radius: int, *, same: bool, count: int | None = None
) -> Iterator[PairArrays]:
    """Yield the pairs (i, j, distance) within the radius, each once, in no order.

    Of one set (`same`: both are it) i < j. There are `count` bands, else as many as cost least.
    """
    bands = cut(count or best_count(len(a), len(b), radius), radius)
    used = [number for number, band in enumerate(bands) if band.limit >= 0]
    scratch = _Scratch()
    with ThreadPoolExecutor(_THREADS) as pool:
        left = list(pool.map(lambda k: _paged(a, bands[k]), used))
        right = left if same else list(pool.map(lambda k: _paged(b, bands[k]), used))
        # Unused places of one side are as far from those of the other as can be.
        right = [replace(p, hashes=np.where(p.members < 0, ~_PADDING, p.hashes)) for p in right]
        joins = [
            (_Join(page_a, page_b, bands[: number + 1], radius, same, scratch), mask)
            for number, page_a, page_b in zip(used, left, right, strict=True)
            for mask in masks(bands[number].width, bands[number].limit)
        ]
        yield from pool.map(lambda task: task[0].pairs(task[1]), joins)


def cut(count: int, radius: int) -> list[Band]:
    """Cut 64 bits: of each pair within the radius at least one band stays within its limit."""
    most, spare = divmod(radius, count)
    edges = [BITS * k // count for k in range(count + 1)]
    return [
        Band(low, high - low, most if k <= spare else most - 1)
        for k, (low, high) in enumerate(pairwise(edges))
    ]


def best_count(size_a: int, size_b: int, radius: int) -> int:
    """Return the number of bands that costs least when all buckets are about equally full."""

    def pages(size: int, buckets: int) -> float:
        occupied = buckets * (1 - exp(-size / buckets))
        return max(occupied, size / _PAGE + occupied / 2)

    def cost(count: int) -> float:
        total = 0.0
        for band in cut(count, radius):
            buckets = 1 << band.width
            number = sum(comb(band.width, k) for k in range(band.limit + 1))
            pairs = pages(size_a, buckets) * pages(size_b, buckets) / buckets
            step = _MASK_COST + min(size_a, buckets) * _BUCKET_COST + pairs * _PAGE_PAIR_COST
            total += number * step + buckets * (number > 0)
        return total

    return min(_BAND_COUNTS, key=cost)


@cache
def masks(width: int, limit: int) -> tuple[int, ...]:
    """Return every number of `width` bits with at most `limit` of them set."""
    return tuple(
        sum(1 << bit for bit in bits)
        for weight in range(limit + 1)
        for bits in combinations(range(width), weight)
    )


def products(a: Ranges, b: Ranges) -> Iterator[tuple[Indices, Indices, Indices]]:
    """Yield the cross products of pairs of ranges (starts, sizes), a million elements at a time.

    Each is: which pair of ranges, the place in a, the place in b.
    """
    (start_a, size_a), (start_b, size_b) = a, b
    ends = np.cumsum(size_a * size_b)
    begins = ends - size_a * size_b
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, _CHUNK):
        high = min(low + _CHUNK, total)
        first, last = np.searchsorted(ends, [low, high - 1], side="right")
        part = slice(first, last + 1)
        lengths = np.minimum(ends[part], high) - np.maximum(begins[part], low)
        which = np.repeat(np.arange(first, last + 1), lengths)
        row, column = np.divmod(np.arange(low, high) - begins[which], size_b[which])
        yield which, start_a[which] + row, start_b[which] + column


@dataclass(frozen=True)
class _Pages:
    """Hashes in buckets by a band's value: uint64[8, P]; unused places have member -1.

    The pages of the bucket with value v are `counts[v]`, from `starts[v]` on.
    """

    hashes: Hashes
    members: Indices
    starts: Indices
    counts: Indices


def _paged(hashes: Hashes, band: Band) -> _Pages:
    buckets = 1 << band.width
    keys = _bits(hashes, band).astype(np.uint16 if buckets <= 1 << 16 else np.int64)
    order = np.argsort(keys, kind="stable")
    sizes = np.bincount(keys, minlength=buckets)
    counts = -(-sizes // _PAGE)
    starts = np.cumsum(counts) - counts
    shifted = starts * _PAGE - (np.cumsum(sizes) - sizes)
    places = np.arange(len(hashes)) + shifted[keys[order]]
    paged = np.full(counts.sum() * _PAGE, _PADDING)
    paged[places] = hashes[order]
    members = np.full(len(paged), -1)
    members[places] = order
    return _Pages(_across(paged), _across(members), starts, counts)


def _across(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values.reshape(-1, _PAGE).T)


def _bits(values: Hashes, band: Band) -> Hashes:
    return (values >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)


class _Scratch(threading.local):
    """Each thread's memory for comparisons, used again: fresh memory costs more than they do."""

    def __init__(self) -> None:
        self._left = np.empty(_PAGE * _TILE, np.uint64)
        self._right = np.empty(_PAGE * _TILE, np.uint64)
        self._differing = np.empty(_PAGE * _PAGE * _TILE, np.uint64)
        self._distances = np.empty(_PAGE * _PAGE * _TILE, np.uint8)
        self._near = np.empty(_PAGE * _PAGE * _TILE, np.bool_)

    def differing(self, a: Hashes, b: Hashes, left: Indices, right: Indices) -> Hashes:
        """Return pages `left` of a xor pages `right` of b, 8 x 8 hashes each: uint64[8, 8, T]."""
        n = len(left)
        x = self._left[: _PAGE * n].reshape(_PAGE, n)
        y = self._right[: _PAGE * n].reshape(_PAGE, n)
        a.take(left, axis=1, out=x, mode="clip")
        b.take(right, axis=1, out=y, mode="clip")
        differing = self._differing[: _PAGE * _PAGE * n].reshape(_PAGE, _PAGE, n)
        np.bitwise_xor(x[:, None], y[None], out=differing)
        return differing

    def within(self, differing: Hashes, radius: int) -> Indices:
        """Return the places of the values, in flat order, with at most `radius` bits set."""
        n = differing.size
        distances = np.bitwise_count(differing.reshape(-1), out=self._distances[:n])
        near = np.less_equal(distances, radius, out=self._near[:n])
        eights = np.flatnonzero(near.view(np.uint64))
        places: Indices = (eights[:, None] * 8 + np.arange(8)).reshape(-1)
        return places[near[places]]


@dataclass(frozen=True)
class _Join:
    """Both sides in pages by the last of `bands`; pairs that earlier bands met are left out."""

    a: _Pages
    b: _Pages
    bands: list[Band]
    radius: int
    same: bool
    scratch: _Scratch

    def pairs(self, mask: int) -> PairArrays:
        """Return the near pairs between buckets whose values differ by `mask`."""
        empty = np.empty(0, np.int64)
        met = [(empty, empty, np.empty(0, np.uint64)), *self._met(mask)]
        i, j, differing = (np.concatenate(column) for column in zip(*met, strict=True))
        keep = (i >= 0) & (j >= 0) & ((i < j) | (not self.same or mask > 0))
        for band in self.bands[:-1]:
            keep &= np.bitwise_count(_bits(differing, band)) > np.int64(band.limit)
        i, j, d = i[keep], j[keep], np.bitwise_count(differing[keep])
        return (np.minimum(i, j), np.maximum(i, j), d) if self.same else (i, j, d)

    def _met(self, mask: int) -> Iterator[tuple[Indices, Indices, Hashes]]:
        """Yield i, j and the xor of near pairs, unused places and pairs met before among them."""
        for left, right in self._page_pairs(mask):
            differing = self.scratch.differing(self.a.hashes, self.b.hashes, left, right)
            hits = self.scratch.within(differing, self.radius)
            if len(hits):
                row, column, pair = np.unravel_index(hits, differing.shape)
                i, j = self.a.members[row, left[pair]], self.b.members[column, right[pair]]
                yield i, j, differing.reshape(-1)[hits]

    def _page_pairs(self, mask: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield which page of a meets which page of b, a tile at a time."""
        keys = np.flatnonzero(self.a.counts)
        if self.same and mask:  # met from the side that lacks the mask's highest bit
            keys = keys[(keys & (1 << mask.bit_length() - 1)) == 0]
        keys = keys[self.b.counts[keys ^ mask] > 0]
        ranges_a = self.a.starts[keys], self.a.counts[keys]
        ranges_b = self.b.starts[keys ^ mask], self.b.counts[keys ^ mask]
        for _, left, right in products(ranges_a, ranges_b):
            if self.same and not mask:
                once = left <= right
                left, right = left[once], right[once]  # noqa: PLW2901  only half is wanted
            for low in range(0, len(left), _TILE):
                yield left[low : low + _TILE], right[low : low + _TILE]


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
    repeated = np.flatnonzero(groups.counts > 1)
    near = [(repeated, repeated, np.zeros(len(repeated), np.uint8))]
    near += _near(groups.unique, groups.unique, radius, same=True, brute_below=brute_below)
    return _sorted(
        _packed(np.minimum(i, j)[once], np.maximum(i, j)[once], d[once])
        for i, j, d in _members(near, groups, groups)
        for once in [(i < j) | (d > 0)]  # equal hashes are met in both orders
    )


def cross_pairs(a: Hashes, b: Hashes, radius: int, *, brute_below: int = BRUTE_BELOW) -> Pairs:
    """Return each pair (i in a, j in b) at most `radius` bits apart once, sorted by i, then j."""
    groups_a, groups_b = _grouped(a), _grouped(b)
    near = _near(groups_a.unique, groups_b.unique, radius, same=False, brute_below=brute_below)
    return _sorted(_packed(*pairs) for pairs in _members(near, groups_a, groups_b))


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


def _near(
    a: Hashes, b: Hashes, radius: int, *, same: bool, brute_below: int
) -> Iterator[PairArrays]:
    if len(a) * len(b) <= brute_below**2:
        return _brute(a, b, radius, same=same)
    return near_pairs(a, b, radius, same=same)


def _brute(a: Hashes, b: Hashes, radius: int, *, same: bool) -> Iterator[PairArrays]:
    """Compare all with all, a tile of rows at a time; of one set only the upper triangle."""
    rows = max(1, _PAIRS_AT_ONCE // max(1, len(b)))
    for top in range(0, len(a), rows):
        left = top if same else 0
        distances = np.bitwise_count(a[top : top + rows, None] ^ b[None, left:])
        i, j = np.nonzero(distances <= radius)
        d = distances[i, j]
        i, j = i + top, j + left
        keep = i < j if same else slice(None)
        yield i[keep], j[keep], d[keep]


def _members(near: Iterable[PairArrays], a: _Groups, b: _Groups) -> Iterator[PairArrays]:
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
