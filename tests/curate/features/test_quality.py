from math import inf

import numpy as np
import pytest
from PIL import Image

from curate.features.quality import Scores, is_placeholder, issues_of, score, usual_sides
from curate.settings import THRESHOLDS, CurateSettings

ANY_SIZE = (0.0, inf)


def noise(low: int, high: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(low, high, (size[1], size[0], 3), dtype=np.uint8))


def hill() -> Image.Image:
    wave = np.sin(np.linspace(0, np.pi, 300))
    grey = (20 + 160 * np.outer(wave, wave)).astype(np.uint8)
    return Image.fromarray(np.stack([grey] * 3, axis=2))


def issues(image: Image.Image) -> set[str]:
    return set(issues_of(score(image), *image.size, ANY_SIZE))


def test_a_fine_picture_has_no_issue() -> None:
    assert issues(noise(0, 256)) == set()


@pytest.mark.parametrize(
    ("image", "issue"),
    [
        (noise(0, 60), "dark"),
        (noise(250, 256), "light"),
        (hill(), "blurry"),
        (noise(100, 102), "low_information"),
        (noise(0, 256, (300, 90)), "odd_aspect_ratio"),
        (noise(0, 256).convert("L").convert("RGB"), "grayscale"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_issue_is_named(image: Image.Image, issue: str) -> None:
    assert issue in issues(image)


def test_a_size_far_from_the_others_is_odd() -> None:
    usual = usual_sides({str(k): (100 + k, 100) for k in range(20)})
    fine = score(noise(0, 256))
    assert "odd_size" in issues_of(fine, 900, 900, usual)
    assert "odd_size" not in issues_of(fine, 110, 100, usual)


def test_thresholds_are_settings() -> None:
    scores = score(noise(0, 60))
    limits = CurateSettings(thresholds="dark=0.1, odd_size=0.5").limits
    assert "dark" in issues_of(scores, 120, 90, ANY_SIZE)
    assert "dark" not in issues_of(scores, 120, 90, ANY_SIZE, limits)
    assert limits["blurry"] == THRESHOLDS["blurry"]
    sizes = {str(k): (100 + k, 100) for k in range(20)}
    assert usual_sides(sizes, limits["odd_size"])[1] < usual_sides(sizes)[1]


def test_scores_survive_storage() -> None:
    scores = score(noise(0, 256))
    again = Scores.from_bytes(scores.to_bytes())
    assert again == pytest.approx(scores, abs=1e-5)
    assert isinstance(again.grey, bool)


def test_brightness_is_cleanvisions() -> None:
    image = noise(0, 200)
    red, green, blue = np.moveaxis(np.asarray(image).astype(float), 2, 0)
    brightness = np.sqrt(0.241 * red**2 + 0.691 * green**2 + 0.068 * blue**2) / 255
    assert score(image).dark == pytest.approx(np.percentile(brightness, 99), abs=1e-3)
    assert score(image).light == pytest.approx(1 - np.percentile(brightness, 5), abs=1e-3)


def test_one_colour_or_a_pixel_trick_is_a_placeholder() -> None:
    blank = score(Image.new("RGB", (200, 200), (250, 3, 40)))
    assert is_placeholder(blank, 200, 200)
    assert is_placeholder(score(noise(0, 256)), 3000, 2)
    assert not is_placeholder(score(noise(0, 256)), 200, 200)


def test_a_few_dark_steps_are_a_picture_where_the_format_loses_none() -> None:
    dark = score(noise(0, 6))
    assert not is_placeholder(dark, 200, 200, "PNG")
    assert not is_placeholder(dark, 200, 200, "TIFF")
    assert is_placeholder(dark, 200, 200, "JPEG")
    assert is_placeholder(score(Image.new("RGB", (200, 200), "black")), 200, 200, "PNG")
