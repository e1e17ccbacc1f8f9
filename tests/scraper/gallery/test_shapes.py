from functools import partial

import pytest
from PIL import Image, ImageDraw

from scraper.gallery.scenes import glyphs, paint, placed


def test_a_glyph_is_placed_scaled_turned_and_mirrored() -> None:
    points = ((1.0, 0.0), (0.0, 1.0))
    assert placed(points, x=10, y=20, unit=5) == [(15, 20), (10, 25)]
    assert placed(points, x=10, y=20, unit=5, mirrored=True)[0] == (5, 20)
    turned = placed(points, x=10, y=20, unit=5, degrees=90)[0]
    assert turned == pytest.approx((10, 25))


def test_plural_shapes_have_a_mirrored_twin() -> None:
    left, right = [part for part in glyphs()["dog"] if part.colour == "b"]
    assert [(-x, y) for x, y in left.points] == list(right.points)


def test_windows_make_a_grid() -> None:
    panes = [part for part in glyphs()["skyscraper"] if part.colour == "b"]
    assert len(panes) == 4 * 9


def test_painting_fills_with_the_palettes_colour() -> None:
    image = Image.new("RGB", (40, 40))
    place = partial(placed, x=20, y=20, unit=10)
    paint(ImageDraw.Draw(image), "speck", {"a": "#ff8000"}, 10, place)
    assert image.getpixel((20, 20)) == (255, 128, 0)
    assert image.getpixel((2, 2)) == (0, 0, 0)
