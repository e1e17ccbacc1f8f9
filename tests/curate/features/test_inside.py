from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from curate.features.inside import Inside, inside, plain_box, snapped
from curate.features.phash import luma, phashes, shrink, thumbnail

Draw = Callable[..., Image.Image]


def box_of(picture: Image.Image) -> tuple[float, float, float, float] | None:
    grey = luma(picture)
    return plain_box(grey, thumbnail(grey))


def test_the_box_of_a_plain_frame_is_exact(scene: Draw) -> None:
    framed = ImageOps.expand(scene(1, (200, 150)), border=(20, 10, 30, 90), fill="white")
    assert box_of(framed) == pytest.approx((20 / 250, 220 / 250, 10 / 250, 160 / 250))


def test_a_picture_without_a_frame_or_with_a_thin_one_has_no_box(scene: Draw) -> None:
    assert box_of(scene(1)) is None
    assert box_of(ImageOps.expand(scene(1), border=4, fill="white")) is None
    assert box_of(Image.new("RGB", (90, 90), "white")) is None


def test_of_round_corners_the_box_holds_none(scene: Draw) -> None:
    mask = Image.new("L", (200, 150), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 199, 149), 40, fill=255)
    framed = Image.new("RGB", (240, 190), "white")
    framed.paste(scene(3, (200, 150)), (20, 20), mask)
    box = box_of(framed)
    assert box is not None
    across, down = [round(240 * x) for x in box[:2]], [round(190 * y) for y in box[2:]]
    corners = [
        mask.getpixel((x - 20, y - 20))
        for x in (across[0], across[1] - 1)
        for y in (down[0], down[1] - 1)
    ]
    assert corners == [255] * 4


def test_what_is_inside_hashes_as_the_picture_that_was_framed(scene: Draw) -> None:
    picture = scene(2, (200, 150))
    framed = luma(ImageOps.expand(picture, border=(0, 60), fill="black"))
    box = plain_box(framed, thumbnail(framed))
    assert box is not None
    found = inside(framed, box)
    assert found is not None
    assert found.hashes.tolist() == phashes(shrink(luma(picture), 32)[None])[0].tolist()
    again = Inside.from_bytes(found.to_bytes())
    assert again.box == pytest.approx(box)
    assert [again.hashes.tolist(), again.views.tolist()] == [
        found.hashes.tolist(),
        found.views.tolist(),
    ]
    assert (again.thumb == found.thumb).all()


def test_a_flat_inside_is_none() -> None:
    grey = Image.new("L", (100, 100), 255)
    grey.paste(Image.new("L", (60, 60), 90), (20, 20))
    assert inside(grey, (0.2, 0.8, 0.2, 0.8)) is None


def test_a_box_found_on_a_thumbnail_is_moved_to_the_sharp_lines_beside_it(scene: Draw) -> None:
    canvas = Image.fromarray(np.tile(np.linspace(40, 200, 320).astype(np.uint8), (256, 1)))
    canvas.paste(luma(scene(4, (200, 150))), (55, 43))
    rough = (5 / 32, 26 / 32, 5 / 32, 25 / 32)
    assert snapped(canvas, rough) == pytest.approx((55 / 320, 255 / 320, 43 / 256, 193 / 256))


def test_a_box_without_sharp_lines_stays(scene: Draw) -> None:
    canvas = luma(scene(5, (320, 256)).resize((8, 8)).resize((320, 256)))
    assert snapped(canvas, (0.25, 0.75, 0.0, 1.0)) == (0.25, 0.75, 0.0, 1.0)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (4, 40), (2, 2)])
def test_a_picture_of_a_few_px_stops_nothing(size: tuple[int, int]) -> None:
    grey = Image.effect_noise((40, 40), 90).resize(size)
    box = (0.375, 0.625, 0.375, 0.625)
    assert snapped(grey, box) == box
    found = inside(grey, box)
    assert found is None or found.box == box
    assert found is None or size != (2, 2)
