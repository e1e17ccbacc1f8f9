import numpy as np
import pytest

from training.data.augment import Chances
from training.recipes.from_pictures import changed


@pytest.mark.parametrize("chances", [Chances(flip=0.5), Chances(flip=0.5, erase=1e-9)])
def test_pictures_stay_as_they_are_or_are_mirrored(chances: Chances) -> None:
    rng = np.random.default_rng(5)
    before = rng.integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    found = changed(before.copy(), chances, rng)
    mirrored = 0
    for picture, was in zip(found, before, strict=True):
        flipped = np.array_equal(picture, was[:, ::-1])
        assert flipped or np.array_equal(picture, was)
        mirrored += flipped
    assert 10 < mirrored < 40
