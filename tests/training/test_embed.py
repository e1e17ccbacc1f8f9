from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from training.embed import FILE, NAMES, cache_key, cached_embeddings, store_embeddings

SHAPE = (5, 3)


def batches(count: int = 5) -> Iterator[np.ndarray]:
    for start in range(0, count, 2):
        yield np.full((min(2, count - start), 4, 4, 3), start, np.uint8)


def mean_colour(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(axis=(1, 2)).astype(np.float32)


def test_what_is_stored_is_read_back_without_being_computed(tmp_path: Path) -> None:
    seen: list[int] = []
    stored = store_embeddings(tmp_path / "e", SHAPE, batches(), mean_colour, seen.append)
    assert seen == [2, 2, 1]
    assert stored[:, 0].tolist() == [0, 0, 2, 2, 4]
    found = cached_embeddings(tmp_path / "e", SHAPE)
    assert found is not None
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, stored)


def test_the_names_of_the_rows_stand_beside_them(tmp_path: Path) -> None:
    names = [f"{n:064x}" for n in range(5)]
    for _ in range(2):
        store_embeddings(tmp_path / "e", SHAPE, batches(), mean_colour, lambda _: None, names=names)
        assert (tmp_path / "e" / NAMES).read_text().split() == names


def test_a_run_that_is_killed_while_embedding_leaves_nothing_behind(tmp_path: Path) -> None:
    def dies(pictures: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_embeddings(tmp_path / "e", SHAPE, batches(), dies, lambda _: None)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("damage", ["cut", "garbage", "other shape", "other type"])
def test_embeddings_that_do_not_fit_are_made_again(tmp_path: Path, damage: str) -> None:
    store_embeddings(tmp_path / "e", SHAPE, batches(), mean_colour, lambda _: None)
    path = tmp_path / "e" / FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    else:
        np.save(path, np.zeros(SHAPE if damage == "other type" else (4, 3), np.float64))
    assert cached_embeddings(tmp_path / "e", SHAPE) is None
    again = store_embeddings(tmp_path / "e", SHAPE, batches(), mean_colour, lambda _: None)
    assert again.shape == SHAPE


def test_anything_that_changes_the_features_changes_the_name() -> None:
    said = [
        cache_key("v1", "mobilenet_v2", 160, "aa", fit="crop"),
        cache_key("v2", "mobilenet_v2", 160, "aa", fit="crop"),
        cache_key("v1", "other", 160, "aa", fit="crop"),
        cache_key("v1", "mobilenet_v2", 224, "aa", fit="crop"),
        cache_key("v1", "mobilenet_v2", 160, "bb", fit="crop"),
        cache_key("v1", "mobilenet_v2", 160, "aa", fit="pad"),
    ]
    assert len(set(said)) == len(said)
