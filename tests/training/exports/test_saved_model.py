"""Pictures decoded inside a TensorFlow graph are those of sceneset/images.py."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.drawing import draw_jpeg

from sceneset.images import Fit, load_square
from training.exports.saved_model import decode_base64, decode_picture
from training.models.backend import load_backend

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
SIZE = 48


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photo(size: tuple[int, int]) -> Image.Image:
    return Image.open(io.BytesIO(draw_jpeg(4, size)))


@pytest.fixture(scope="module")
def graphs() -> dict[str, Any]:
    """Return the decoder for each fit, compiled once."""
    tf = load_backend().tf
    spec = [tf.TensorSpec((), tf.string)]

    def decoder(fit: Fit) -> Any:  # noqa: ANN401  TensorFlow has no types
        return tf.function(lambda data: decode_picture(data, SIZE, fit), input_signature=spec)

    fits: tuple[Fit, ...] = ("crop", "pad", "stretch")
    return {fit: decoder(fit) for fit in fits}


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(90, 61), (61, 90), (48, 48), (30, 95), (33, 20), (51, 50)])
def test_a_picture_of_any_shape_becomes_the_same_square(
    graphs: dict[str, Any], fit: Fit, size: tuple[int, int]
) -> None:
    data = encoded(photo(size))
    found = graphs[fit](data).numpy()
    assert np.abs(found - load_square(data, SIZE, fit)).max() <= 2


def test_the_jpegs_of_a_published_version_come_out_pixel_for_pixel(graphs: dict[str, Any]) -> None:
    data = draw_jpeg(7, (SIZE, SIZE), quality=95)
    assert np.array_equal(graphs["crop"](data).numpy(), load_square(data, SIZE))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_phones_picture_stands_upright(graphs: dict[str, Any], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker whose name stands elsewhere"
    exif[0x0112] = orientation
    for order in ("<", ">"):
        exif.endian = order
        data = encoded(photo((90, 61)), "JPEG", quality=95, exif=exif.tobytes())
        found = graphs["stretch"](data).numpy()
        assert np.abs(found - load_square(data, SIZE, "stretch")).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1", "I;16"])
def test_every_kind_of_png_looks_alike(graphs: dict[str, Any], mode: str) -> None:
    image = photo((70, 50))
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    data = encoded(image)
    assert np.abs(graphs["crop"](data).numpy() - load_square(data, SIZE)).max() <= 1


def test_a_colour_that_stands_for_transparent_becomes_white(graphs: dict[str, Any]) -> None:
    image = Image.new("RGB", (60, 60), (10, 20, 30))
    image.paste((200, 10, 10), (20, 0, 60, 60))
    data = encoded(image, transparency=(10, 20, 30))
    found = graphs["crop"](data).numpy()
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found - load_square(data, SIZE)).max() <= 1


def test_base64_is_read_in_either_alphabet_with_a_prefix_and_line_breaks() -> None:
    data = bytes(range(256)) + b"\xfb\xff"
    standard = base64.b64encode(data).decode()
    assert "+" in standard
    assert "/" in standard
    broken = "\r\n".join(standard[k : k + 76] for k in range(0, len(standard), 76))
    words = [standard, base64.urlsafe_b64encode(data).decode(), broken]
    for text in (*words, f"data:image/png;base64,{standard}", standard.rstrip("=")):
        assert decode_base64(load_backend().tf.constant(text)).numpy() == data
