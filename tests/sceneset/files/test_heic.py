"""HEIC files: whole, odd and lying, with the extra and without it."""

import struct
import tracemalloc

import pytest
from support.heic import DEPTH, HALF_RED, HALVES, SEVERAL, TURNED, WITH_DEPTH, declaring

from sceneset.files.heic import is_installed
from sceneset.images import Header, PictureError, decode, read_header, reason_words, to_array

needs_heic = pytest.mark.skipif(not is_installed(), reason="pi_heif (extra heic) is not installed")


def refusal(data: bytes) -> PictureError:
    with pytest.raises(PictureError) as refused:
        decode(data)
    return refused.value


@pytest.mark.usefixtures("without_heic")
def test_without_the_extra_a_heic_is_told_from_what_is_no_picture() -> None:
    refused = refusal(HALVES)
    assert refused.reason == "needs_heic"
    assert str(refused) == reason_words(refused.reason, refused.cure)
    assert str(refused) == "HEIC: install sceneset[heic]"


@needs_heic
def test_a_heic_is_read_as_any_picture() -> None:
    header = read_header(HALVES)
    assert (header, header.extension) == (Header("HEIF", 60, 40, "RGB"), "heic")
    values = to_array(decode(HALVES))
    assert values[20, 5].mean() < 40
    assert values[20, 55].mean() > 215


@needs_heic
def test_a_turned_heic_is_upright_before_and_after_decoding() -> None:
    header = read_header(TURNED)
    assert (header.width, header.height) == decode(TURNED).size == (40, 60)
    values = to_array(decode(TURNED))
    assert values[5, 20].mean() < 40
    assert values[55, 20].mean() > 215


@needs_heic
def test_transparency_lies_on_white_and_a_map_of_depth_counts_for_nothing() -> None:
    values = to_array(decode(HALF_RED))
    assert values[20, 5, 0] > 200
    assert values[20, 5, 1] < 60
    assert values[20, 55].min() > 245
    assert DEPTH in WITH_DEPTH
    assert to_array(decode(WITH_DEPTH))[20, 55, 1] < 60


@needs_heic
def test_of_several_pictures_the_primary_is_taken() -> None:
    assert (to_array(decode(SEVERAL)) == to_array(decode(HALVES))).all()


@needs_heic
@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [(2**31, 2**31, "too_large"), (8000, 6600, "too_large"), (7000, 5000, "truncated"),
     (16, 16, "truncated"), (1, 1, "truncated"), (0, 0, "truncated")],
)  # fmt: skip
def test_a_heic_that_lies_about_its_size_is_refused_in_little_memory(
    width: int, height: int, reason: str
) -> None:
    tracemalloc.start()
    try:
        refused = refusal(declaring(width, height))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.reason == reason
    assert "\n" not in str(refused)
    assert peak < 5_000_000


@needs_heic
def test_no_item_may_be_larger_than_a_picture_may() -> None:
    tile = b"ispe\0\0\0\0" + struct.pack(">II", 9000, 9000)
    assert refusal(HALVES + tile).reason == "too_large"
    assert decode(HALVES + tile.replace(b"\0\0#(", b"\0\0\0(")).size == (60, 40)


@needs_heic
def test_an_item_whose_type_is_no_text_ends_no_process() -> None:
    altered = TURNED.replace(b"Exif", b"Ex\x98f", 1)
    assert altered != TURNED
    assert decode(altered).size == (40, 60)


@needs_heic
@pytest.mark.parametrize("length", range(12, len(HALVES), 31))
def test_a_cut_heic_is_truncated(length: int) -> None:
    assert refusal(HALVES[:length]).reason == "truncated"
