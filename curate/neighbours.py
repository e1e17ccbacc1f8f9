"""Find every pair of 64-bit hashes within a radius: exactly, with numpy alone.

Identical hashes are collapsed first. Few distinct ones are compared all with all; many are joined
by multi-index hashing (Norouzi, Punjani, Fleet 2012): the 64 bits are cut into bands, and two
hashes within the radius must nearly agree in at least one band, so only buckets of nearly equal
bands are compared. Which bands may differ by how much follows the generalised pigeonhole
principle. Both ways return the same pairs.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 64
BRUTE_BELOW = 12_000
_CHUNK = 2_000_000

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


class Pairs(NamedTuple):
    """Index pairs and their distances in bits: int64[P], int64[P], uint8[P]."""

    i: Indices
    j: Indices
    d: NDArray[np.uint8]


class Band(NamedTuple):
    """Some neighbouring bits of a hash, and in how many of them a pair may differ."""

    shift: int
    width: int
    limit: int


def pairs_within(hashes: Hashes, radius: int, *, brute_below: int = BRUTE_BELOW) -> Pairs:
    """Return each pair i < j of uint64[N] at most `radius` bits apart once, sorted by i, then j.

    Memory grows with N and with the number of pairs found, never with N squared.
    """
    unique, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    near = _joined(unique, unique, radius, same=True, brute_below=brute_below)
    members = np.argsort(inverse, kind="stable").astype(np.int64)
    starts = np.cumsum(counts) - counts
    twins = np.flatnonzero(counts > 1)
    zero = np.zeros(len(twins), np.uint8)
    grouped = _stacked([near, Pairs(twins, twins, zero)])
    i, j, d = _expanded(grouped, (members, starts, counts), (members, starts, counts))
    once = (i < j) | (hashes[i] != hashes[j])  # twins are met in both orders
    return _sorted(Pairs(np.minimum(i, j)[once], np.maximum(i, j)[once], d[once]))


def cross_pairs(a: Hashes, b: Hashes, radius: int, *, brute_below: int = BRUTE_BELOW) -> Pairs:
    """Return each pair (i in a, j in b) at most `radius` bits apart once, sorted by i, then j."""
    sides = []
    uniques = []
    for hashes in (a, b):
        unique, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        members = np.argsort(inverse, kind="stable").astype(np.int64)
        sides.append((members, np.cumsum(counts) - counts, counts))
        uniques.append(unique)
    near = _joined(uniques[0], uniques[1], radius, same=False, brute_below=brute_below)
    return _sorted(_expanded(near, sides[0], sides[1]))


def _joined(a: Hashes, b: Hashes, radius: int, *, same: bool, brute_below: int) -> Pairs:
    if len(a) * len(b) <= brute_below**2:
        return _stacked(_brute(a, b, radius, same=same))
    bands = _bands(_band_count(len(a), len(b), radius), radius)
    found = [
        pairs
        for number, band in enumerate(bands)
        if band.limit >= 0
        for pairs in _band_pairs(a, b, radius, bands[: number + 1], same=same)
    ]
    return _stacked(found)


def _brute(a: Hashes, b: Hashes, radius: int, *, same: bool) -> Iterator[Pairs]:
    """Compare all with all, a tile of rows at a time; of one set only the upper triangle."""
    rows = max(1, _CHUNK // max(1, len(b)))
    for top in range(0, len(a), rows):
        left = top if same else 0
        distances = np.bitwise_count(a[top : top + rows, None] ^ b[None, left:])
        i, j = np.nonzero(distances <= radius)
        d = distances[i, j]
        i, j = i + top, j + left
        keep = i < j if same else slice(None)
        yield Pairs(i[keep], j[keep], d[keep])


def _bands(count: int, radius: int) -> list[Band]:
    """Cut 64 bits: of each pair within the radius at least one band stays within its limit."""
    most, spare = divmod(radius, count)
    edges = [BITS * k // count for k in range(count + 1)]
    return [
        Band(low, high - low, most if k <= spare else most - 1)
        for k, (low, high) in enumerate(pairwise(edges))
    ]


def _band_count(size_a: int, size_b: int, radius: int) -> int:
    """Return the number of bands that costs least: bucket look-ups plus expected comparisons."""

    def cost(count: int) -> float:
        total = 0.0
        for band in _bands(count, radius):
            masks = sum(comb(band.width, k) for k in range(band.limit + 1))
            buckets = 2.0**band.width
            total += masks * (min(size_a, buckets) + size_a * size_b / buckets)
        return total

    return min(range(3, 9), key=cost)


@cache
def _masks(width: int, limit: int) -> tuple[int, ...]:
    """Return every number of `width` bits with at most `limit` of them set."""
    return tuple(
        sum(1 << bit for bit in bits)
        for weight in range(limit + 1)
        for bits in combinations(range(width), weight)
    )


def _band_pairs(
    a: Hashes, b: Hashes, radius: int, bands: list[Band], *, same: bool
) -> Iterator[Pairs]:
    """Yield the pairs that the last of `bands` is the first to meet."""
    band, earlier = bands[-1], bands[:-1]
    order_a, starts_a, counts_a = _buckets(a, band)
    order_b, starts_b, counts_b = (order_a, starts_a, counts_a) if same else _buckets(b, band)
    occupied = np.flatnonzero(counts_a)
    for mask in _masks(band.width, band.limit):
        # Of one set a pair of buckets is met from the side that lacks the mask's highest bit.
        half = same and mask > 0
        keys = occupied[(occupied & (1 << mask.bit_length() - 1)) == 0] if half else occupied
        keys = keys[counts_b[keys ^ mask] > 0]
        others = keys ^ mask
        for place_a, place_b in _products(
            starts_a[keys], counts_a[keys], starts_b[others], counts_b[others]
        ):
            i, j = order_a[place_a], order_b[place_b]
            d = np.bitwise_count(a[i] ^ b[j])
            near = d <= radius
            if same and mask == 0:
                near &= i < j
            i, j, d = i[near], j[near], d[near]
            first = _not_met_by(earlier, a[i] ^ b[j])
            i, j, d = i[first], j[first], d[first]
            yield Pairs(np.minimum(i, j), np.maximum(i, j), d) if same else Pairs(i, j, d)


def _buckets(hashes: Hashes, band: Band) -> tuple[Indices, Indices, Indices]:
    """Sort indices by the band's value: the order, and where each value starts and how often."""
    keys = ((hashes >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)).astype(np.int64)
    counts = np.bincount(keys, minlength=1 << band.width)
    return np.argsort(keys, kind="stable"), np.cumsum(counts) - counts, counts


def _not_met_by(bands: list[Band], differing: Hashes) -> NDArray[np.bool_]:
    """Say which pairs, given as the xor of their hashes, none of the bands has met."""
    fresh = np.ones(len(differing), bool)
    for band in bands:
        bits = (differing >> np.uint64(band.shift)) & np.uint64((1 << band.width) - 1)
        fresh &= np.bitwise_count(bits).astype(np.int64) > band.limit
    return fresh


def _products(
    start_a: Indices, size_a: Indices, start_b: Indices, size_b: Indices
) -> Iterator[tuple[Indices, Indices]]:
    """Yield the cross products of many pairs of ranges, at most 2 million elements at a time."""
    ends = np.cumsum(size_a * size_b)
    begins = ends - size_a * size_b
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, _CHUNK):
        high = min(low + _CHUNK, total)
        first, last = np.searchsorted(ends, [low, high - 1], side="right")
        part = slice(first, last + 1)
        lengths = np.minimum(ends[part], high) - np.maximum(begins[part], low)
        which = np.repeat(np.arange(first, last + 1), lengths)
        offset = np.arange(low, high) - begins[which]
        row, column = np.divmod(offset, size_b[which])
        yield start_a[which] + row, start_b[which] + column


def _expanded(
    pairs: Pairs,
    side_a: tuple[Indices, Indices, Indices],
    side_b: tuple[Indices, Indices, Indices],
) -> Pairs:
    """Replace pairs of distinct hashes by pairs of their members (members, starts, counts)."""
    (members_a, starts_a, counts_a), (members_b, starts_b, counts_b) = side_a, side_b
    sizes = counts_a[pairs.i] * counts_b[pairs.j]
    products = list(
        _products(starts_a[pairs.i], counts_a[pairs.i], starts_b[pairs.j], counts_b[pairs.j])
    )
    empty = np.empty(0, np.int64)
    i = np.concatenate([members_a[place] for place, _ in products] or [empty])
    j = np.concatenate([members_b[place] for _, place in products] or [empty])
    return Pairs(i, j, np.repeat(pairs.d, sizes))


def _stacked(parts: Iterator[Pairs] | list[Pairs]) -> Pairs:
    parts = list(parts)
    empty = np.empty(0, np.int64)
    return Pairs(
        np.concatenate([empty, *(p.i for p in parts)]),
        np.concatenate([empty, *(p.j for p in parts)]),
        np.concatenate([np.empty(0, np.uint8), *(p.d for p in parts)]),
    )


def _sorted(pairs: Pairs) -> Pairs:
    order = np.lexsort((pairs.j, pairs.i))
    return Pairs(pairs.i[order], pairs.j[order], pairs.d[order])
