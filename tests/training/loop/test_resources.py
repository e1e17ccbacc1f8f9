import errno
from pathlib import Path

import pytest

from sceneset.errors import InterruptedRunError, SettingsError, mendable
from training.loop.plans import Plan
from training.loop.resources import memory_told, place_told, resumable
from training.models.backend import load_backend

PLAN = Plan(epochs=1, batch_size=128)


@pytest.mark.train
@pytest.mark.parametrize("ours", [True, False])
def test_out_of_memory_names_the_setting_to_lower(*, ours: bool) -> None:
    full = load_backend().tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore")
    with pytest.raises(SettingsError, match="memory ran out") as caught, memory_told(PLAN):
        raise MemoryError if ours else full
    assert "--batch-size 64" in caught.value.cure
    assert "\n" not in caught.value.problem
    assert caught.value.exit_code == 2


def test_a_full_disk_is_told_with_the_folder_unless_a_file_is_named(tmp_path: Path) -> None:
    for file, said in ((None, tmp_path), ("x.keras", "x.keras")):
        error = OSError(errno.ENOSPC, "No space left on device", *([file] if file else []))
        with pytest.raises(OSError, match="No space") as caught, place_told(tmp_path):
            raise error
        told = mendable(caught.value)
        assert told is not None
        assert (told.problem, told.exit_code) == (f"No space left on device: {said}", 73)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), memory_told(PLAN):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (InterruptedRunError(15), 143)]
)
def test_an_interrupted_training_says_how_to_go_on(error: BaseException, code: int) -> None:
    with pytest.raises(InterruptedRunError) as caught, resumable():
        raise error
    assert caught.value.exit_code == code
    assert "--resume" in caught.value.cure
