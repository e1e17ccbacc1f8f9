import numpy as np
import pytest

from training.data.augment import Chances, mixing, random_view


def ramp(size: int = 40) -> np.ndarray:
    """Return a picture whose red grows to the right and whose green grows downwards."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 0] = np.linspace(40, 200, size)[None]
    picture[..., 1] = np.linspace(40, 200, size)[:, None]
    picture[..., 2] = 120
    return picture


def view(chances: Chances, seed: int = 0) -> np.ndarray:
    return random_view(ramp(), chances, np.random.default_rng(seed)).astype(int)


def test_no_chance_leaves_the_picture_as_it_is() -> None:
    assert np.array_equal(view(Chances(flip=0)), ramp())


def test_mirroring_turns_left_and_right_around() -> None:
    assert np.array_equal(view(Chances(flip=1)), ramp()[:, ::-1])


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_shows_a_part_of_the_picture_the_right_way_round(seed: int) -> None:
    found = view(Chances(flip=0, crop=1), seed)
    assert found.shape == (40, 40, 3)
    assert np.all(np.diff(found[20, :, 0]) >= 0)
    assert not np.array_equal(found, ramp())
    assert found[..., 2].min() == found[..., 2].max() == 120


@pytest.mark.parametrize("seed", range(5))
def test_turning_leaves_no_empty_corner(seed: int) -> None:
    found = view(Chances(flip=0, rotation=1), seed)
    assert found.min() >= 30
    assert not np.array_equal(found, ramp())


def test_colours_change_by_a_fifth_at_most_each_way() -> None:
    found = np.stack([view(Chances(flip=0, colour=1), seed) for seed in range(20)])
    assert np.abs(found - ramp().astype(int)).max() < 130
    assert len({int(one.sum()) for one in found}) == 20


@pytest.mark.parametrize("seed", range(5))
def test_erasing_takes_a_small_rectangle(seed: int) -> None:
    changed = (view(Chances(flip=0, erase=1), seed) != ramp()).any(axis=2)
    assert 0.01 < changed.mean() < 0.25


def test_a_view_can_be_made_again() -> None:
    chances = Chances(0.5, 0.5, 0.5, 0.5, 0.5)
    assert np.array_equal(view(chances, 7), view(chances, 7))


def test_a_batch_keeps_the_larger_share_of_itself_when_mixed() -> None:
    rng = np.random.default_rng(0)
    shares = [mixing(8, 1.0, rng)[0] for _ in range(50)]
    assert all(0.5 <= share <= 1 for share in shares)
    assert min(shares) < 0.9
    share, order = mixing(8, 0.0, rng)
    assert share == 1.0
    assert sorted(order) == list(range(8))
