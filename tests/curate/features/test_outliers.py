from pathlib import Path

import numpy as np
import pytest

from curate.features.quality import neighbour_distances, newest_embeddings, outliers


def cache(root: Path, names: list[str], rows: np.ndarray, folder: str = "net-160-abc") -> Path:
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
    cache(tmp_path, names, rows)
    found = outliers(tmp_path, names)
    assert [o.sha256 for o in found] == ["0007"]
    assert 1 < found[0].distance <= 2
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
    place = cache(tmp_path, names, rows)
    (place / "pictures.txt").unlink()
    assert outliers(tmp_path, names) == []


@pytest.mark.parametrize("damage", ["short", "torn", "none"])
def test_features_that_do_not_fit_their_pictures_are_passed_over(
    tmp_path: Path, damage: str
) -> None:
    names, rows = crowd()
    place = cache(tmp_path, names, rows)
    if damage == "short":
        (place / "pictures.txt").write_text("0001\n")
    elif damage == "torn":
        (place / "embeddings.npy").write_bytes(b"\x93NUMPY")
    else:
        (place / "embeddings.npy").unlink()
    assert newest_embeddings(place.parent) is None
