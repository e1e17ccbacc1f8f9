from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from curate.features.alignment import (
    LEAST_LUMA,
    WHOLE,
    align,
    borders,
    has_wider_border,
    is_frame,
    margins,
)
from curate.features.phash import VIEWS, luma, thumbnail


def thumb(image: Image.Image) -> np.ndarray:
    return thumbnail(luma(image))


def test_a_crop_off_the_grid_is_found_exactly(scene: Callable[..., Image.Image]) -> None:
    whole = scene(1, (320, 320))
    part = whole.crop((13, 22, 289, 301))
    found = align(thumb(part), thumb(whole), VIEWS[4])
    assert found.is_copy
    assert found.box == pytest.approx((13 / 320, 289 / 320, 22 / 320, 301 / 320), abs=0.03)


def test_another_picture_is_no_copy(scene: Callable[..., Image.Image]) -> None:
    for seed in range(2, 12):
        assert not align(thumb(scene(seed)), thumb(scene(1)), VIEWS[4]).is_copy


def test_things_on_white_are_told_apart_by_their_detail() -> None:
    rng = np.random.default_rng(0)
    thumbs = []
    for _ in range(2):
        pixels = np.full((32, 32), 255, np.uint8)
        pixels[8:24, 4:28] = np.kron(rng.integers(0, 140, (4, 6)), np.ones((4, 4)))
        thumbs.append(pixels)
    found = align(*thumbs, WHOLE)
    assert found.luma > LEAST_LUMA
    assert not found.is_copy


def test_a_border_is_told_from_a_scene(scene: Callable[..., Image.Image]) -> None:
    plain = scene(3, (320, 240))
    bordered = ImageOps.expand(plain, border=(0, 30), fill="black")
    box = (0.0, 1.0, 0.1, 0.9)
    assert is_frame(thumb(bordered), box)
    assert not is_frame(thumb(plain), box)
    assert has_wider_border(borders(thumb(bordered)), borders(thumb(plain)))
    assert not has_wider_border(borders(thumb(plain)), borders(thumb(bordered)))


def test_margins_count_px_of_one_tone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    pixels[:, :3], pixels[29:] = 10, 250
    assert margins(pixels) == (0, 0, 0, 3)
    pixels[29:] = 10
    assert margins(pixels) == (3, 0, 0, 3)


def test_a_margin_that_an_edit_made_rough_is_still_the_same_margin(
    scene: Callable[..., Image.Image],
) -> None:
    smooth = thumb(scene(3)).copy()
    smooth[:5] = 250
    rough = smooth.copy()
    rough[:5] -= np.random.default_rng(0).integers(0, 18, (5, 32), dtype=np.uint8)
    assert margins(rough)[2] < 3
    assert not has_wider_border(borders(smooth), borders(rough))


def test_a_frame_reaches_to_the_px_that_scene_and_border_share(
    scene: Callable[..., Image.Image],
) -> None:
    bordered = thumb(scene(3)).copy()
    bordered[:2] = bordered[30:] = 0
    box = (0.0, 1.0, 3.3 / 32, 28.7 / 32)
    assert is_frame(bordered, box)
    assert not is_frame(bordered, (0.0, 1.0, 5 / 32, 27 / 32))
