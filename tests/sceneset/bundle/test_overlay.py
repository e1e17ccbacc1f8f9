import numpy as np
import pytest
from PIL import Image

from sceneset.bundle.gradcam import blend, colour_map, over_picture
from sceneset.images import Fit, fit, to_array


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(300, 100), (90, 240), (64, 64)])
def test_a_spot_comes_back_to_where_it_was_in_the_picture(
    how: Fit, width: int, height: int
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    x, y = width // 2 + 12, height // 2 - 10
    picture[y - 5 : y + 5, x - 5 : x + 5] = 255
    square = to_array(fit(Image.fromarray(picture), 64, how))
    heat = (square[:, :, 0] > 160).astype(np.float32)
    found = over_picture(heat, width, height, how)
    assert found.shape == (height, width)
    rows, columns = np.nonzero(found > 0.5)
    assert (rows.mean(), columns.mean()) == pytest.approx((y, x), abs=3)


def test_what_a_crop_cut_off_was_not_seen() -> None:
    found = over_picture(np.ones((5, 5), np.float32), 300, 100, "crop")
    assert (found[:, 100:200] == 1).all()
    assert not found[:, :100].any()
    assert not found[:, 200:].any()


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_a_picture_of_one_pixel_gets_a_map(how: Fit) -> None:
    assert over_picture(np.ones((5, 5), np.float32), 1, 1, how).tolist() == [[1.0]]


def test_the_overlay_is_warmer_where_the_map_is_hot_and_has_the_pictures_size() -> None:
    picture = np.full((20, 30, 3), 128, np.uint8)
    heat = np.zeros((20, 30), np.float32)
    heat[:, 15:] = 1
    found = blend(picture, heat).astype(int)
    assert found.shape == picture.shape
    assert found[0, 29, 0] > found[0, 29, 2]
    assert found[0, 0, 2] > found[0, 0, 0]


def test_equal_steps_of_the_map_look_equal() -> None:
    shown = colour_map() / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    lightness = cones @ [0.2104542553, 0.7936177850, -0.0040720468]
    steps = np.diff(lightness[::15])
    assert (steps > 0).all()
    assert steps.max() / steps.min() < 1.2
    assert len(np.unique(colour_map(), axis=0)) > 240
