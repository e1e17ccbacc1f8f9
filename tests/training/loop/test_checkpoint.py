from pathlib import Path

import numpy as np
import pytest

from sceneset.errors import UsageError
from training.loop.history import (
    Checkpoint,
    State,
    begin_run,
    forget_run,
    interrupted_run,
    require_same,
)

ABOUT = {"epochs": None, "seed": 0, "data set version": "a" * 64}


def test_a_state_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    place = Checkpoint(begin_run(tmp_path, ABOUT) / "head.npz")
    assert place.load() is None
    values = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(3)]
    for epoch in (1, 2):
        place.save(State({"epoch": epoch, "rank": [0.5, -1.0]}, {"values": values, "none": []}))
    found = place.load()
    assert found is not None
    assert found.facts == {"epoch": 2, "rank": [0.5, -1.0]}
    assert all(map(np.array_equal, found.arrays["values"], values))
    assert found.arrays["none"] == []


def test_a_damaged_state_counts_as_none(tmp_path: Path) -> None:
    place = Checkpoint(begin_run(tmp_path, ABOUT) / "head.npz")
    place.save(State({"epoch": 1}))
    assert place.path is not None
    place.path.write_bytes(place.path.read_bytes()[:-30])
    assert place.load() is None


def test_an_interrupted_run_is_known_until_it_is_published(tmp_path: Path) -> None:
    assert interrupted_run(tmp_path) is None
    folder = begin_run(tmp_path, ABOUT)
    assert interrupted_run(tmp_path) == ABOUT
    require_same(tmp_path, ABOUT, ABOUT)
    forget_run(tmp_path)
    assert not folder.exists()
    assert interrupted_run(tmp_path) is None


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epochs": 3}, {"data set version": "b" * 64}])
def test_another_run_is_not_gone_on_with(tmp_path: Path, changed: dict[str, object]) -> None:
    begin_run(tmp_path, ABOUT)
    with pytest.raises(UsageError, match=next(iter(changed))) as caught:
        require_same(tmp_path, ABOUT | changed, ABOUT)
    assert caught.value.exit_code == 2
    assert interrupted_run(tmp_path) == ABOUT


def test_without_a_folder_nothing_is_kept() -> None:
    place = Checkpoint()
    place.save(State({}))
    assert place.load() is None
