import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.neighbours import BITS, Hashes, _bands, cross_pairs, pairs_within

RADII = st.integers(0, 16)


def clustered(seed: int, size: int, spread: int) -> Hashes:
    """Return hashes around a few centres, up to `spread` bits away; 0 gives many twins."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, max(1, size // 8), dtype=np.uint64)
    hashes = rng.choice(centres, size)
    for _ in range(spread):
        hashes ^= np.uint64(1) << rng.integers(0, 64, size, dtype=np.uint64)
    return hashes


HASHES = st.one_of(
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


@pytest.mark.parametrize("brute_below", [0, 12_000], ids=["multi-index", "blocked"])
@given(hashes=HASHES, radius=RADII)
@settings(max_examples=60, deadline=None)
def test_pairs_equal_brute_force(hashes: Hashes, radius: int, brute_below: int) -> None:
    expected = [(i, j, d) for i, j, d in brute(hashes, hashes, radius) if i < j]
    assert listed(pairs_within(hashes, radius, brute_below=brute_below)) == expected


@pytest.mark.parametrize("brute_below", [0, 12_000], ids=["multi-index", "blocked"])
@given(a=HASHES, b=HASHES, radius=RADII)
@settings(max_examples=60, deadline=None)
def test_cross_pairs_equal_brute_force(a: Hashes, b: Hashes, radius: int, brute_below: int) -> None:
    b = np.concatenate([b, a[::3]])
    assert listed(cross_pairs(a, b, radius, brute_below=brute_below)) == brute(a, b, radius)


@given(hashes=HASHES.filter(len), radius=st.integers(0, 16), count=st.integers(3, 8))
@settings(max_examples=40, deadline=None)
def test_a_near_pair_stays_within_the_limit_of_some_band(
    hashes: Hashes, radius: int, count: int
) -> None:
    bands = _bands(count, radius)
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
    slow = pairs_within(hashes, 12)
    assert len(fast.i) > 1000
    assert listed(fast) == listed(slow)
