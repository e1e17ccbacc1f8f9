import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from curate.features import phash

SIDES = st.one_of(st.integers(1, 70), st.integers(1, phash.LONGEST_SIDE + 40))


def noise(seed: int, width: int, height: int, share: float) -> Image.Image:
    """Draw black and white px: the strongest edges, where filters overshoot and are clipped."""
    white = np.random.default_rng(seed).random((height, width)) < share
    return Image.fromarray(white.astype(np.uint8) * 255)


def far(grey: Image.Image, side: int) -> NDArray[np.int64]:
    pillows = np.asarray(grey.resize((side, side), Image.Resampling.LANCZOS)).astype(np.int64)
    steps: NDArray[np.int64] = np.abs(phash.shrink(grey, side) - pillows)
    return steps


@given(
    seed=st.integers(0, 10**6),
    width=SIDES,
    height=SIDES,
    share=st.floats(0.02, 0.98),
    side=st.sampled_from([32, 64]),
)
@settings(max_examples=60, deadline=None)
def test_few_pixels_differ_from_pillows_and_by_a_step_or_two(
    seed: int, width: int, height: int, share: float, side: int
) -> None:
    difference = far(noise(seed, width, height, share), side)
    assert difference.max() <= 2
    # Narrow pictures repeat a rounding along a whole line.
    assert np.count_nonzero(difference) <= 2 * side


@pytest.mark.parametrize("size", [(140, 250), (141, 250), (250, 140), (33, 40), (20, 31)])
def test_the_passes_have_pillows_order_on_both_sides_of_its_limit(size: tuple[int, int]) -> None:
    assert max(far(noise(seed, *size, 0.1), 32).max() for seed in range(5)) <= 1


@pytest.mark.parametrize("length", [1, 7, 31, 32, 33, 250, 1024])
def test_the_weights_of_each_pixel_sum_to_one(length: int) -> None:
    assert phash.weights(length, 32).sum(axis=1) == pytest.approx(np.ones(32), abs=1e-6)
