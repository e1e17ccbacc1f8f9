import io
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from support.drawing import draw_jpeg, grey_jpeg

from sceneset.images import (
    MAX_PIXELS,
    SMALLER,
    Limits,
    PictureError,
    centre_box,
    decode,
    encode_jpeg,
    fit,
    has_orientation,
    load_square,
    read_header,
    to_array,
)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str = "RGB") -> Image.Image:
    """Left half black, right half white."""
    values = np.zeros((40, 60), np.uint8)
    values[:, 30:] = 255
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_header_tells_format_and_size(kind: str) -> None:
    header = read_header(encoded(halves(), kind))
    assert (header.format, header.width, header.height) == (kind, 60, 40)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"<html><body>no picture</body></html>", "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture"),
        (b"\xff\xd8\xff", "truncated"),
        (b"x" * 20_000_001, "too_large"),
    ],
    ids=["nothing", "html", "eps", "three bytes", "21 MB"],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as refusal:
        read_header(data)
    assert refusal.value.reason == reason


def test_half_a_jpeg_is_truncated() -> None:
    data = draw_jpeg(1)
    with pytest.raises(PictureError) as refusal:
        decode(data[: len(data) // 2])
    assert refusal.value.reason == "truncated"


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(Image.new("1", (9000, 9000)), "PNG")
    with pytest.raises(PictureError) as refusal:
        read_header(bomb)
    assert refusal.value.reason == "too_large"


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((8064, 6048), (4032, 3024)), ((16320, 12240), (4080, 3060)), ((18250, 13690), (4563, 3423)),
     ((65500, 3816), (16375, 954)), ((7300, 5470), (7300, 5470))],
)  # fmt: skip
def test_jpegs_of_phones_are_decoded_as_small_as_the_memory_of_40_megapixels_asks(
    size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    data = grey_jpeg(*size)
    assert (read_header(data).width, read_header(data).height) == size
    picture = decode(data)
    assert picture.size == decoded
    assert picture.getpixel((decoded[0] - 1, decoded[1] - 1)) == (128, 128, 128)
    if size != decoded:
        with pytest.raises(PictureError, match="fraction"):
            decode(data, whole=True)


@given(st.integers(1, 1300), st.integers(1, 1300), st.integers(1, 700))
@example(9000, 8000, 1000)
@example(65500, 2, 1)
@example(15, 15, 1)
def test_at_least_so_many_px_are_left_of_the_shorter_side(
    width: int, height: int, at_least: int
) -> None:
    picture = decode(grey_jpeg(width, height), at_least=at_least)
    assert min(picture.size) >= min(at_least, width, height)
    assert picture.width * picture.height <= MAX_PIXELS


def progressive(data: bytes) -> bytes:
    """Return a JPEG whose header says that it comes in several scans."""
    return data.replace(b"\xff\xc0", b"\xff\xc2", 1)


def a_scan_per_colour(data: bytes) -> bytes:
    """Return a JPEG whose first scan holds one of its three colours."""
    scan = bytes.fromhex("ffda000c03010002110311003f00")
    assert scan in data
    return data.replace(scan, bytes.fromhex("ffda00080101003f00"), 1)


def of_size(width: int, height: int) -> bytes:
    """Return a JPEG in colour whose header says that it has another size."""
    data = draw_jpeg(1)
    size = data.index(b"\xff\xc0") + 5
    return data[:size] + struct.pack(">HH", height, width) + data[size + 4 :]


@pytest.mark.parametrize("scans", [progressive, a_scan_per_colour])
def test_a_jpeg_that_is_held_whole_may_have_52_megapixels(
    scans: Callable[[bytes], bytes],
) -> None:
    assert read_header(scans(of_size(8064, 6048))).width == 8064
    assert read_header(of_size(16320, 12240)).width == 16320
    with pytest.raises(PictureError, match="at most 52") as refusal:
        read_header(scans(of_size(16320, 12240)))
    assert (refusal.value.reason, refusal.value.cure) == ("too_large", SMALLER)


@pytest.mark.parametrize(
    ("limits", "words", "cure"),
    [(Limits(bytes=1000), "7.2 MB, the limit is 0.001", "--max-file-mb"),
     (Limits(10**9, 100), "8064 x 6048 px, the limit is 0.0001 megapixels", "--max-megapixels")],
)  # fmt: skip
def test_a_limit_that_is_an_option_is_named(limits: Limits, words: str, cure: str) -> None:
    data = of_size(8064, 6048)
    with pytest.raises(PictureError) as refusal:
        read_header(data.ljust(7_200_000, b"x"), limits)
    assert (refusal.value.reason, str(refusal.value), refusal.value.cure) == (
        "too_large",
        words,
        cure,
    )


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(encoded(halves(), "JPEG", exif=exif, quality=95))
    assert picture.size == (40, 60)
    values = to_array(picture)
    assert values[5, 20].mean() < 50
    assert values[55, 20].mean() > 200


def test_a_file_says_whether_it_has_an_orientation() -> None:
    for value, known in ((None, False), (1, True), (6, True), (9, False)):
        exif = Image.Exif()
        if value is not None:
            exif[0x0112] = value
        for kind in ("JPEG", "PNG", "WEBP"):
            assert has_orientation(encoded(halves(), kind, exif=exif)) is known
    broken = encoded(halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert not has_orientation(broken)


def test_transparency_lies_on_white() -> None:
    layer = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert to_array(decode(encoded(layer, "PNG")))[5, 5].tolist() == [255, 255, 255]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = Image.fromarray(np.full((8, 8), 32768, np.uint16))
    assert to_array(decode(encoded(deep, "PNG")))[4, 4].tolist() == [128, 128, 128]


def test_every_sixteen_bit_value_is_rounded_to_the_nearest_of_eight() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = to_array(decode(encoded(Image.fromarray(values), "PNG")))[..., 1]
    assert (found == (values / 257).round()).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 64), (7, 65), (3, 200)])
def test_pictures_made_in_strips_have_no_seams(width: int, height: int) -> None:
    values = np.random.default_rng(5).integers(0, 256, (height, width, 4), np.uint8)
    found = to_array(decode(encoded(Image.fromarray(values), "PNG"))).astype(int)
    share = values[..., 3:] / 255
    assert np.abs(found - (values[..., :3] * share + 255 * (1 - share))).max() <= 1
    deep = (values[..., 0] * 257.0 / 65535).astype(np.float32) * 90
    scaled = to_array(decode(encoded(Image.fromarray(deep), "TIFF")))[..., 0].astype(int)
    assert np.abs(scaled - deep * 255.0 / max(deep.max(), 1)).max() <= 0.51


def test_a_deep_picture_takes_no_wide_copy_of_itself() -> None:
    data = encoded(Image.fromarray(np.full((2000, 2000), 9000, np.uint16)), "PNG")
    tracemalloc.start()
    try:
        decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000  # numpy's float64 of the whole would be 32 MB


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = decode(encoded(halves(mode), kind))
    assert picture.mode == "RGB"
    values = to_array(picture)
    assert values[20, 5].mean() < 40
    assert values[20, 55].mean() > 215


def test_the_crop_is_the_largest_centred_square() -> None:
    assert centre_box(60, 40) == (10, 0, 50, 40)
    assert centre_box(40, 61) == (0, 10, 40, 50)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_every_fit_gives_the_size_asked_for(how: str) -> None:
    assert fit(halves(), 32, how).size == (32, 32)  # type: ignore[arg-type]


def test_a_big_jpeg_decoded_small_shows_the_same() -> None:
    data = draw_jpeg(3, (1600, 1200))
    whole = to_array(fit(decode(data), 160)).astype(float)
    assert np.abs(whole - load_square(data, 160)).mean() < 1


def test_our_own_jpeg_keeps_the_colours_of_single_pixels() -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    again = to_array(decode(encode_jpeg(Image.fromarray(stripes))))
    assert np.abs(again.astype(int) - stripes).mean() < 8


def outcome_of(data: bytes) -> str:
    """Return the mode of the decoded picture, or the reason there is none."""
    try:
        return decode(data).mode
    except PictureError as error:
        return error.reason


def test_odd_real_files_end_in_a_picture_or_a_reason(shared_data: Path) -> None:
    for path in sorted((shared_data / "oddities").rglob("*")):
        if path.is_file() and path.suffix not in {".csv", ".md"}:
            assert outcome_of(path.read_bytes()) in {
                "RGB",
                "not_a_picture",
                "truncated",
                "too_large",
                "needs_heic",
            }, path.name
