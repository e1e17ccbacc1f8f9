import io
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.features import phash
from sceneset.images import decode

# The median strength of a frequency is about 1,100; the farthest of 234 such bits was 129 off.
TIE = 250.0


def phash_of(image: Image.Image) -> int:
    return int(phash.phashes(phash.shrink(phash.luma(image), 32)[None])[0, 0])


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
        fast = phash_of(decode(data, at_least=phash.DECODE_AT_LEAST))
        assert (fast ^ imagehash_of(data)).bit_count() <= 2


@pytest.mark.parametrize("orientation", phash.ORIENTATIONS)
def test_each_orientation_hashes_as_the_turned_picture_within_two_bits(
    orientation: int, scene: Callable[..., Image.Image]
) -> None:
    for seed in range(20):
        grey = phash.luma(scene(seed))
        turned = Image.fromarray(phash.orient(np.asarray(grey), orientation))
        own = int(phash.phashes(phash.shrink(grey, 32)[None])[0, orientation])
        assert (own ^ phash_of(turned)).bit_count() <= 2


@given(seed=st.integers(0, 10**6))
def test_hashes_of_orientations_are_those_of_the_turned_pixels(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    turned = np.stack([phash.orient(pixels, orientation) for orientation in phash.ORIENTATIONS])
    assert phash.phashes(turned)[:, 0].tolist() == phash.phashes(pixels[None])[0].tolist()


def test_many_pictures_hash_as_one_by_one(scene: Callable[..., Image.Image]) -> None:
    pixels = np.stack([phash.shrink(phash.luma(scene(seed)), 32) for seed in range(9)])
    pixels[4] = 77
    assert phash.phashes(pixels).tolist() == [
        phash.phashes(one[None])[0].tolist() for one in pixels
    ]


@given(
    seed=st.integers(0, 10**6),
    width=st.integers(4, 1100),
    height=st.integers(4, 1100),
    detail=st.sampled_from([5, 24, 1100]),
)
@settings(max_examples=40, deadline=None)
def test_a_picture_of_any_size_hashes_within_two_bits_of_imagehash(
    seed: int, width: int, height: int, detail: int
) -> None:
    shape = (min(height, detail), min(width, detail))
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)
    expected = int(str(imagehash.phash(image)), 16)
    assert not phash_of(image) or (phash_of(image) ^ expected).bit_count() <= 2


@pytest.mark.parametrize("size", [(1, 90), (90, 1), (1, 1500), (700, 500)])
def test_a_picture_of_equal_rows_or_columns_has_imagehashs_hash(size: tuple[int, int]) -> None:
    for seed, line in enumerate([(1, size[1]), (size[0], 1)]):
        values = np.random.default_rng(seed).integers(0, 256, line[::-1], dtype=np.uint8)
        image = Image.fromarray(values).resize(size, Image.Resampling.NEAREST)
        if phash_of(image):
            assert phash.hex_form(phash_of(image)) == str(imagehash.phash(image))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_no_hash(level: int) -> None:
    grey = Image.new("L", (200, 100), level)
    assert not phash.phashes(phash.shrink(grey, 32)[None]).any()
    assert not phash.view_hashes(grey).any()


def test_a_crop_looks_like_the_view_it_was_cut_by(scene: Callable[..., Image.Image]) -> None:
    whole = scene(5, (300, 200))
    views = phash.view_hashes(phash.luma(whole))
    for view, (left, right, top, bottom) in zip(views, phash.VIEWS, strict=True):
        box = tuple(round(edge) for edge in (300 * left, 200 * top, 300 * right, 200 * bottom))
        assert (phash_of(whole.crop(box)) ^ int(view)).bit_count() <= 4  # type: ignore[arg-type]


def test_views_of_a_part_that_is_flat_have_no_hash() -> None:
    pixels = np.full((200, 200), 90, np.uint8)
    pixels[:, :15] = np.arange(0, 200, dtype=np.uint8)[:, None]
    views = phash.view_hashes(Image.fromarray(pixels))
    right = [k for k, box in enumerate(phash.VIEWS) if box[0] > 0.15]
    assert not views[right].any()
    assert views[0] != phash.NO_HASH


def photo_like(seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw a picture whose spectrum falls off as photos' do; white noise has no low frequencies."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(size[1])[:, None], np.fft.rfftfreq(size[0])[None]
    fall = np.maximum(np.hypot(rows, columns), 1 / max(size)) ** rng.uniform(1.1, 1.8)
    waves = np.fft.rfft2(rng.normal(size=size[::-1])) / fall
    values = np.fft.irfft2(waves, s=size[::-1])
    grey = np.clip(rng.integers(80, 170) + 45 * values / values.std(), 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


@given(seed=st.integers(0, 10**6), quality=st.integers(30, 98), wide=st.integers(130, 1000))
@settings(max_examples=40, deadline=None)
def test_the_fast_hash_strays_from_imagehash_in_ties_only(
    seed: int, quality: int, wide: int
) -> None:
    """A bit may turn only where a frequency is as strong as the median but for rounding."""
    data = io.BytesIO()
    photo_like(seed, (wide, wide * 3 // 4)).save(data, "JPEG", quality=quality)
    exact, fast = (
        phash.shrink(phash.luma(decode(data.getvalue(), at_least=at_least)), 32)
        for at_least in (None, phash.DECODE_AT_LEAST)
    )
    strengths = (phash._DCT @ exact.astype(float) @ phash._DCT.T).ravel()
    ties = np.abs(strengths - np.median(strengths)) < TIE
    theirs = imagehash_of(data.getvalue())
    for ours in phash.phashes(np.stack([exact, fast]))[:, 0].tolist():
        differing = np.array([bit == "1" for bit in f"{ours ^ theirs:064b}"])
        assert not (differing & ~ties).any()


def test_the_exact_hash_is_imagehashs_and_prints_like_it(
    scene: Callable[..., Image.Image], jpeg: Callable[..., bytes]
) -> None:
    data = jpeg(scene(3, (1600, 1200)))
    whole, mirrored = phash.exact_phash(decode(data))
    expected = imagehash.phash(Image.open(io.BytesIO(data)))
    assert phash.hex_form(whole) == str(expected)
    mirror = decode(data).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert phash.hex_form(mirrored) == str(imagehash.phash(mirror))
    assert phash.exact_phash(Image.new("RGB", (90, 90), "grey")) == (0, 0)
    assert phash.hex_form(5) == "0000000000000005"


def test_real_pictures_hash_within_two_bits_of_imagehash(shared_data: Path) -> None:
    files = sorted((shared_data / "scenes/mixed").rglob("*.jpg"))[::20]
    assert len(files) > 50
    for file in files:
        data = file.read_bytes()
        image = decode(data, at_least=phash.DECODE_AT_LEAST)
        if phash_of(image):
            assert (phash_of(image) ^ imagehash_of(data)).bit_count() <= 2, file.name
