from math import inf
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.features.quality import (
    Scores,
    is_placeholder,
    issues_of,
    neighbour_distances,
    newest_embeddings,
    outliers,
    score,
    usual_sides,
)
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


def embedded(root: Path, names: list[str], rows: np.ndarray, folder: str = "net-160-abc") -> Path:
    place = root / "cache" / "embeddings" / folder
    place.mkdir(parents=True)
    np.save(place / "embeddings.npy", rows.astype(np.float32))
    (place / "pictures.txt").write_text("".join(f"{name}\n" for name in names))
    return place


def crowd(number: int = 200, features: int = 16) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.1, (number, features)) + np.eye(features)[0]
    return [f"{k:04}" for k in range(number)], rows


def test_a_picture_far_from_all_others_is_named(tmp_path: Path) -> None:
    names, rows = crowd()
    rows[7] = -rows[7]
    embedded(tmp_path, names, rows)
    found = outliers(tmp_path, names)
    assert [sha256 for sha256, _ in found] == ["0007"]
    assert 1 < found[0][1] <= 2
    assert outliers(tmp_path, [n for n in names if n != "0007"]) == []


def test_distances_are_the_mean_to_the_nearest_others() -> None:
    _, rows = crowd(70)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    expected = 1 - np.sort(alike, axis=1)[:, -10:].mean(axis=1)
    assert neighbour_distances(rows.astype(np.float32)) == pytest.approx(expected, abs=1e-5)


def test_before_a_training_there_are_no_outliers(tmp_path: Path) -> None:
    assert outliers(tmp_path, ["a"]) == []
    names, rows = crowd()
    place = embedded(tmp_path, names, rows)
    (place / "pictures.txt").unlink()
    assert outliers(tmp_path, names) == []


@pytest.mark.parametrize("damage", ["short", "torn", "none"])
def test_features_that_do_not_fit_their_pictures_are_passed_over(
    tmp_path: Path, damage: str
) -> None:
    names, rows = crowd()
    place = embedded(tmp_path, names, rows)
    if damage == "short":
        (place / "pictures.txt").write_text("0001\n")
    elif damage == "torn":
        (place / "embeddings.npy").write_bytes(b"\x93NUMPY")
    else:
        (place / "embeddings.npy").unlink()
    assert newest_embeddings(place.parent) is None
