import io
from random import Random

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from sceneset.images import PictureError, decode
from scraper.gallery.catalogue import NOT_A_PICTURE, alter, encode
from scraper.gallery.drawing import draw_class


@pytest.fixture(scope="module")
def original() -> bytes:
    return draw_class("House", 1, seed=0)[0]


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("seed", range(8))
def test_a_near_copy_has_other_bytes_and_almost_the_same_hash(original: bytes, seed: int) -> None:
    copy = alter("near", original, Random(seed))
    assert copy != original
    assert imagehash.phash(_opened(copy)) - imagehash.phash(_opened(original)) <= 8


def test_a_mirrored_copy_is_the_mirror_image(original: bytes) -> None:
    back = ImageOps.mirror(_opened(alter("mirrored", original, Random(0))))
    difference = np.asarray(back, dtype=float) - np.asarray(_opened(original), dtype=float)
    assert np.abs(difference).mean() < 6


def test_crops_keep_nine_or_eight_tenths_of_each_side(original: bytes) -> None:
    width, height = _opened(original).size
    sizes = {_opened(alter("cropped", original, Random(n))).size for n in range(20)}
    assert sizes == {(round(width * keep), round(height * keep)) for keep in (0.9, 0.8)}


def test_broken_files_are_cut_or_html_or_empty_and_none_decodes(original: bytes) -> None:
    files = {alter("broken", original, Random(n)) for n in range(20)}
    assert {NOT_A_PICTURE, b""} < files
    assert len(files) == 3
    for data in files:
        with pytest.raises(PictureError):
            decode(data)


def test_a_placeholder_is_one_pixel(original: bytes) -> None:
    assert _opened(alter("placeholder", original, Random(0))).size == (1, 1)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "PNG"])
def test_previews_are_encoded_in_three_formats(original: bytes, file_format: str) -> None:
    data = encode(_opened(original), file_format)
    assert Image.open(io.BytesIO(data)).format == file_format
