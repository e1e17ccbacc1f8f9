"""Trouble in the middle of a training is told for what it is, and mended by the next run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sceneset.dataset import Dataset
from sceneset.errors import (
    DamagedDataError,
    InterruptedRunError,
    SettingsError,
    interrupts,
    memory_errors,
)
from training.commands.train import RESUME, link_newest, smaller_steps
from training.data.version import own_errors, read_version, stream
from training.loop.trainer import Hyperparameters
from training.models.backend import load_backend
from training.report.pages import plain


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_damaged_picture_is_told_as_such_also_from_inside_tensorflow(
    publish: Callable[..., Path],
) -> None:
    version = read_version(Dataset(publish({"Disc": {"train": 5}})))
    examples = version.splits["train"]
    examples[-1].path.unlink()
    with pytest.raises(DamagedDataError, match=examples[-1].path.name), own_errors():
        list(stream(version, examples, 2, None))


def test_a_bundle_that_a_killed_run_left_unlinked_is_linked(tmp_path: Path) -> None:
    for number in ("1", "2", "10", "11"):
        (tmp_path / number).mkdir()
    for number in ("1", "2", "10"):
        (tmp_path / number / "bundle.json").write_text("{}")
    link_newest(tmp_path)
    assert (tmp_path / "current").resolve().name == "10"


def test_a_model_folder_without_a_bundle_gets_no_link(tmp_path: Path) -> None:
    link_newest(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_neither_markup_nor_html_in_the_model_card() -> None:
    shown = plain("<img src=x onerror=alert(1)> *bold* [link](x)")
    assert not set("<>*[]()") & set(shown)
    assert plain("Text document 🏖") == "Text document 🏖"


@pytest.mark.train
@pytest.mark.parametrize("ours", [True, False])
def test_out_of_memory_names_the_setting_to_lower(*, ours: bool) -> None:
    full = load_backend().tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore")
    cure = smaller_steps(Hyperparameters(epochs=1, batch_size=128))
    with pytest.raises(SettingsError, match="memory ran out") as caught, memory_errors(cure):
        raise MemoryError if ours else full
    assert "--batch-size 64" in caught.value.cure
    assert "\n" not in caught.value.problem
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (InterruptedRunError(15), 143)]
)
def test_an_interrupted_training_says_how_to_go_on(error: BaseException, code: int) -> None:
    with pytest.raises(InterruptedRunError) as caught, interrupts(RESUME):
        raise error
    assert caught.value.exit_code == code
    assert "--resume" in caught.value.cure
