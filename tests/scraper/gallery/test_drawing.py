import io
from random import Random

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from scraper.gallery.drawing import SIZES, draw, draw_class, originals_of, phashes
from scraper.gallery.scenes import SCENES


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _closest(pictures: list[bytes]) -> int:
    """Return the smallest pHash distance of any two pictures, mirrored or not, in bits."""
    images = [_opened(data) for data in pictures]
    plain = np.array([imagehash.phash(image).hash.ravel() for image in images])
    mirrored = np.array([imagehash.phash(ImageOps.mirror(image)).hash.ravel() for image in images])
    closest = 64
    for number in range(1, len(images)):
        for others in (plain, mirrored):
            distances = (plain[number] != others[:number]).sum(axis=1)
            closest = min(closest, int(distances.min()))
    return closest


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert draw_class("Beach", 3, seed=1) == draw_class("Beach", 3, seed=1)
    assert not set(draw_class("Beach", 3, seed=1)) & set(draw_class("Beach", 3, seed=2))


def test_more_pictures_of_a_class_begin_with_the_same_ones() -> None:
    assert draw_class("Cat", 5, seed=0)[:3] == draw_class("Cat", 3, seed=0)


def test_pictures_have_the_size_and_weight_of_previews() -> None:
    for data in draw_class("Forest", 12, seed=0):
        assert _opened(data).size in SIZES
        assert 2_000 < len(data) < 40_000


@pytest.mark.parametrize("name", ["Sky", "Text document", "Quokka parade"])
def test_originals_of_a_class_are_more_than_12_bits_apart(name: str) -> None:
    assert _closest(list(draw_class(name, 40, seed=3))) > 12


@pytest.mark.slow
def test_originals_of_all_classes_are_more_than_12_bits_apart() -> None:
    pictures = [data for name in SCENES for data in draw_class(name, 40, seed=0)]
    assert _closest(pictures) > 12


def test_the_hashes_are_those_of_imagehash() -> None:
    image = draw(SCENES["House"], Random(5))
    own = phashes(image)
    assert (own[0] == imagehash.phash(image).hash.ravel()).all()
    assert (own[1] != imagehash.phash(ImageOps.mirror(image)).hash.ravel()).sum() <= 2


def test_a_class_is_drawn_once() -> None:
    originals = originals_of(seed=0, count=2)
    assert originals("Lake") is originals("Lake")
