import io
from collections.abc import Callable

import imagehash
import numpy as np
import pytest
from PIL import Image

from curate import hashing
from pipeline.pictures import decode


def phash_of(image: Image.Image) -> int:
    return hashing.phash(hashing.shrink(hashing.luma(image), 32))[0]


def imagehash_of(data: bytes) -> int:
    return int(str(imagehash.phash(Image.open(io.BytesIO(data)))), 16)


@pytest.mark.parametrize("seed", range(12))
def test_the_hash_of_a_full_decode_is_imagehashs(
    seed: int, scene: Callable[..., Image.Image], jpeg: Callable[..., bytes]
) -> None:
    data = jpeg(scene(seed, (400, 300)))
    assert phash_of(decode(data)) == imagehash_of(data)


@pytest.mark.parametrize("size", [(240, 180), (640, 480), (1600, 1200)])
def test_a_decode_at_a_fraction_strays_by_two_bits_at_most(
    size: tuple[int, int], scene: Callable[..., Image.Image], jpeg: Callable[..., bytes]
) -> None:
    for seed in range(6):
        data = jpeg(scene(seed, size))
        fast = phash_of(decode(data, at_least=hashing.DECODE_AT_LEAST))
        assert (fast ^ imagehash_of(data)).bit_count() <= 2


def test_the_mirrored_hash_is_the_hash_of_the_mirrored_pixels(
    scene: Callable[..., Image.Image],
) -> None:
    for seed in range(20):
        pixels = hashing.shrink(hashing.luma(scene(seed)), 32)
        assert hashing.phash(pixels)[1] == hashing.phash(pixels[:, ::-1])[0]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_no_hash(level: int) -> None:
    grey = Image.new("L", (200, 100), level)
    assert hashing.phash(hashing.shrink(grey, 32)) == (hashing.NO_HASH, hashing.NO_HASH)
    assert not hashing.view_hashes(grey).any()


def test_a_crop_looks_like_the_view_it_was_cut_by(scene: Callable[..., Image.Image]) -> None:
    whole = scene(5, (300, 200))
    views = hashing.view_hashes(hashing.luma(whole))
    for view, (left, right, top, bottom) in zip(views, hashing.VIEWS, strict=True):
        box = tuple(round(edge) for edge in (300 * left, 200 * top, 300 * right, 200 * bottom))
        assert (phash_of(whole.crop(box)) ^ int(view)).bit_count() <= 4  # type: ignore[arg-type]


def test_views_of_a_part_that_is_flat_have_no_hash() -> None:
    pixels = np.full((200, 200), 90, np.uint8)
    pixels[:, :15] = np.arange(0, 200, dtype=np.uint8)[:, None]
    views = hashing.view_hashes(Image.fromarray(pixels))
    right = [k for k, box in enumerate(hashing.VIEWS) if box[0] > 0.15]
    assert not views[right].any()
    assert views[0] != hashing.NO_HASH
