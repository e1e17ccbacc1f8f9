import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.hamming import (
    BITS,
    Hashes,
    cross_pairs,
    cut,
    near_pairs,
    new_cross_pairs,
    new_pairs_within,
    pairs_within,
)

RADII = st.integers(0, 16)


def clustered(seed: int, size: int, spread: int) -> Hashes:
    """Return hashes around a few centres, up to `spread` bits away; 0 gives many twins."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, max(1, size // 8), dtype=np.uint64)
    hashes = rng.choice(centres, size)
    for _ in range(spread):
        hashes ^= np.uint64(1) << rng.integers(0, 64, size, dtype=np.uint64)
    return hashes


def uniform(seed: int, size: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, size, dtype=np.uint64)


def adversarial(seed: int, size: int, band: int, differing: int) -> Hashes:
    """Return hashes that all share the bits outside of one stretch, and differ little inside.

    Every band but one puts them into one bucket; pairs lie just within and just beyond radii.
    """
    rng = np.random.default_rng(seed)
    hashes = np.full(size, rng.integers(0, 2**64, dtype=np.uint64))
    for k in range(size):
        places = rng.choice(16, min(16, differing), replace=False) + 16 * band
        for place in places:
            hashes[k] ^= np.uint64(1) << np.uint64(place % 64)
    return hashes


def boundary(seed: int, size: int) -> Hashes:
    """Return hashes whose differences are spread evenly over 64 bits, so that no band is equal."""
    rng = np.random.default_rng(seed)
    hashes = np.repeat(rng.integers(0, 2**64, 1, dtype=np.uint64), size)
    for k in range(1, size):
        step = int(rng.integers(3, 9))
        for bit in range(int(rng.integers(step)), BITS, step):
            hashes[k] ^= np.uint64(1) << np.uint64(bit)
    return hashes


def sharing_low_bits(seed: int, size: int) -> Hashes:
    """Return hashes that all fall into one bucket of the first bands."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 2**12, size, dtype=np.uint64)) << np.uint64(52)


HASHES = st.one_of(
    st.builds(boundary, st.integers(0, 10**6), st.integers(1, 30)),
    st.builds(sharing_low_bits, st.integers(0, 10**6), st.integers(0, 60)),
    st.lists(st.integers(0, 63), max_size=20).map(
        lambda bits: np.array(
            [*(1 << b for b in bits), *(~(1 << b) % 2**64 for b in bits)], np.uint64
        )
    ),
    st.builds(uniform, st.integers(0, 10**6), st.integers(0, 60)),
    st.builds(
        adversarial,
        st.integers(0, 10**6),
        st.integers(0, 50),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    st.builds(np.full, st.integers(0, 50), st.sampled_from([0, 5, 2**64 - 1]), st.just(np.uint64)),
    st.builds(clustered, st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([0, 3, 8, 64])),
    st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=30).map(
        lambda values: np.array(values, np.uint64)
    ),
)


def brute(a: Hashes, b: Hashes, radius: int) -> list[tuple[int, int, int]]:
    distances = np.bitwise_count(a[:, None] ^ b[None, :])
    return [(i, j, int(distances[i, j])) for i, j in np.argwhere(distances <= radius)]


def listed(pairs: tuple[np.ndarray, ...]) -> list[tuple[int, int, int]]:
    return [(int(i), int(j), int(d)) for i, j, d in zip(*pairs, strict=True)]


@pytest.mark.parametrize("brute_below", [0, 10**6], ids=["multi-index", "blocked"])
@given(hashes=HASHES, radius=RADII)
@settings(max_examples=60, deadline=None)
def test_pairs_equal_brute_force(hashes: Hashes, radius: int, brute_below: int) -> None:
    expected = [(i, j, d) for i, j, d in brute(hashes, hashes, radius) if i < j]
    assert listed(pairs_within(hashes, radius, brute_below=brute_below)) == expected


@pytest.mark.parametrize("brute_below", [0, 10**6], ids=["multi-index", "blocked"])
@given(a=HASHES, b=HASHES, radius=RADII)
@settings(max_examples=60, deadline=None)
def test_cross_pairs_equal_brute_force(a: Hashes, b: Hashes, radius: int, brute_below: int) -> None:
    b = np.concatenate([b, a[::3]])
    assert listed(cross_pairs(a, b, radius, brute_below=brute_below)) == brute(a, b, radius)


@given(a=HASHES, b=HASHES, radius=st.integers(0, 16), count=st.integers(5, 16))
@settings(max_examples=60, deadline=None)
def test_every_number_of_bands_finds_the_same(
    a: Hashes, b: Hashes, radius: int, count: int
) -> None:
    a, b = np.unique(a), np.unique(np.concatenate([b, a[::2] ^ np.uint64(5)]))
    pairs = [
        (int(i), int(j), int(d))
        for found in near_pairs(a, b, radius, same=False, count=count)
        for i, j, d in zip(*found, strict=True)
    ]
    assert sorted(pairs) == brute(a, b, radius)


@given(hashes=HASHES.filter(len), radius=st.integers(0, 16), count=st.integers(3, 8))
@settings(max_examples=40, deadline=None)
def test_a_near_pair_stays_within_the_limit_of_some_band(
    hashes: Hashes, radius: int, count: int
) -> None:
    bands = cut(count, radius)
    assert sum(band.width for band in bands) == BITS
    for i, j, _ in brute(hashes, hashes, radius):
        differing = int(hashes[i] ^ hashes[j])
        assert any(
            (differing >> band.shift & (1 << band.width) - 1).bit_count() <= band.limit
            for band in bands
        )


def test_columns_have_the_promised_types() -> None:
    pairs = pairs_within(np.array([7, 7, 6], np.uint64), 1)
    assert [column.dtype for column in pairs] == [np.int64, np.int64, np.uint8]
    assert listed(pairs) == [(0, 1, 0), (0, 2, 1), (1, 2, 1)]


def test_both_ways_agree_on_many_hashes() -> None:
    hashes = clustered(1, 4000, 9)
    fast = pairs_within(hashes, 12, brute_below=0)
    slow = pairs_within(hashes, 12, brute_below=10**6)
    assert len(fast.i) > 1000
    assert listed(fast) == listed(slow)


def test_pairs_within_all_equal_hashes_are_every_pair() -> None:
    pairs = pairs_within(np.zeros(1500, np.uint64), 8, brute_below=0)
    assert len(pairs.i) == 1500 * 1499 // 2
    assert not pairs.d.any()


def test_many_pairs_are_found_across_chunks() -> None:
    hashes = clustered(3, 6000, 4)
    assert listed(cross_pairs(hashes, hashes[:2000], 8, brute_below=0)) == listed(
        cross_pairs(hashes, hashes[:2000], 8, brute_below=10**6)
    )


@given(hashes=HASHES, radius=RADII, data=st.data())
def test_what_is_new_is_compared_with_all_and_what_is_old_not_again(
    hashes: Hashes, radius: int, data: st.DataObject
) -> None:
    size = len(hashes)
    new = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    everything = pairs_within(hashes, radius)
    expected = [p for p in zip(*everything, strict=True) if new[p[0]] or new[p[1]]]
    assert list(zip(*new_pairs_within(hashes, new, radius), strict=True)) == expected


@given(a=HASHES, b=HASHES, radius=RADII, data=st.data())
def test_across_two_sets_too_only_pairs_with_something_new_are_looked_for(
    a: Hashes, b: Hashes, radius: int, data: st.DataObject
) -> None:
    new_a, new_b = (
        np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
        for n in (len(a), len(b))
    )
    everything = zip(*cross_pairs(a, b, radius), strict=True)
    expected = [p for p in everything if new_a[p[0]] or new_b[p[1]]]
    assert list(zip(*new_cross_pairs(a, b, (new_a, new_b), radius), strict=True)) == expected
