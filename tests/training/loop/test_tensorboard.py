from pathlib import Path

import pytest

from sceneset.errors import translate_error
from training.loop.history import write_logs
from training.models.backend import load_backend

pytestmark = pytest.mark.train


def test_curves_and_test_figures_are_read_back_from_the_logs(tmp_path: Path) -> None:
    curves = [{"loss": 2.0, "val_loss": 2.5}, {"loss": 1.0, "val_loss": 1.5}]
    write_logs(tmp_path, curves, {"top1": 0.75, "ece": None})
    tf = load_backend().tf
    found = {
        (path.parent.name, event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for path in tmp_path.rglob("events.*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert found == {
        ("train", 1, "loss"): 2.0,
        ("train", 2, "loss"): 1.0,
        ("validation", 1, "loss"): 2.5,
        ("validation", 2, "loss"): 1.5,
        ("test", 2, "top1"): 0.75,
    }


def test_a_folder_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(OSError, match="logs") as caught:
        write_logs(tmp_path / "logs", [{"loss": 1.0}], {})
    error = translate_error(caught.value)
    assert error is not None
    assert error.exit_code == 73


def test_without_curves_there_is_nothing_to_write(tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", [], {"top1": None})
    assert list(tmp_path.iterdir()) == []
