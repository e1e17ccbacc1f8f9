from pathlib import Path

import numpy as np
import pytest

from sceneset.dataset import run_lock
from training.data.memmap import FILE, Filling, Rows, open_rows, prune, remove_maps

SHAPE = (5, 3)


def test_rows_are_read_in_any_order(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float16).reshape(6, 2, 2)
    np.save(tmp_path / "x.npy", values)
    rows = Rows(tmp_path / "x.npy")
    assert np.array_equal(rows.take([5, 0, 5]), values[[5, 0, 5]])
    assert rows.take([]).shape == (0, 2, 2)
    assert len(rows) == 6


def test_what_is_written_in_order_is_a_npy_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    filling = Filling(tmp_path / "e", SHAPE, np.float32)
    filling.write(0, values[:2])
    filling.write(2, values[2:])
    assert open_rows(tmp_path / "e", SHAPE, np.float32) is None
    filling.finish({}, ["aa"])
    assert np.array_equal(np.load(tmp_path / "e" / FILE), values)
    assert open_rows(tmp_path / "e", SHAPE, np.float32) is not None


@pytest.mark.parametrize("shape", [(5, 3), (5, 4)])
def test_only_rows_of_the_same_shape_are_gone_on_with(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    filling = Filling(tmp_path / "e", SHAPE, np.float32)
    filling.write(0, np.ones((2, 3)))
    filling.note(2)
    filling.close()
    again = Filling(tmp_path / "e", shape, np.float32)
    assert again.done == (2 if shape == SHAPE else 0)
    again.close()


def filled(folder: Path, kind: str, dtype: type) -> Rows:
    filling = Filling(folder, SHAPE, dtype)
    filling.write(0, np.ones(SHAPE))
    filling.finish({"kind": kind}, [])
    return Rows(folder / FILE)


def test_feature_maps_are_removed_and_pooled_features_and_pictures_stay(tmp_path: Path) -> None:
    remove_maps(tmp_path / "none")
    maps = filled(tmp_path / "v-map", "map", np.float16)
    filled(tmp_path / "v-pooled", "pooled", np.float32)
    filled(tmp_path / "v-pictures", "", np.uint8)
    for name, dtype in (("v-half", np.float16), ("v-begun", np.float32)):
        filling = Filling(tmp_path / name, SHAPE, dtype)
        filling.note(1)
        filling.close()
    with run_lock(tmp_path, "embedding"):
        remove_maps(tmp_path)
    assert (tmp_path / "v-map").is_dir()
    remove_maps(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert left == [".part-v-begun", "v-pictures", "v-pooled"]
    # Another run that reads them meanwhile goes on.
    assert np.array_equal(maps.take([4, 0]), np.ones((2, 3)))


def test_other_runs_find_the_cache_unlocked_while_maps_are_deleted(tmp_path: Path) -> None:
    filled(tmp_path / "v-map", "map", np.float16)
    asked: list[Path] = []

    def killed(folder: Path) -> None:
        with run_lock(tmp_path, "another"):
            asked.append(folder)

    remove_maps(tmp_path, killed)
    (left,) = asked
    assert open_rows(tmp_path / "v-map", SHAPE, np.float16) is None
    assert left.is_dir()
    prune(tmp_path, frozenset({"v"}))
    assert not left.exists()


def test_what_a_killed_removal_left_is_removed_by_the_next(tmp_path: Path) -> None:
    filled(tmp_path / "v-map", "map", np.float16)
    remove_maps(tmp_path, lambda _: None)
    remove_maps(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_full_disk_is_an_error_and_no_crash() -> None:
    filling = Filling.__new__(Filling)
    filling._offset, filling._row, filling._dtype = 0, 12, np.dtype(np.float32)
    with (
        Path("/dev/full").open("w+b", buffering=0) as filling._file,
        pytest.raises(OSError, match="No space left"),
    ):
        filling.write(0, np.ones((2, 3)))
