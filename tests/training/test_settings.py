from pathlib import Path

import pytest

from sceneset.errors import SettingsError
from training.settings import TrainSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("views", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("fine_tune_rate", 1.0),
        ("dropout", 1.0),
        ("mixup", 1.5),
        ("weight_decay", -0.1),
        ("weight_decay", float("inf")),
        ("fewest_per_class", -1),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_flag(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match="--" + name.replace("_", "-")):
        TrainSettings(**{name: value})  # type: ignore[arg-type]


def test_two_starts_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="name two starts"):
        TrainSettings(from_bundle=Path("m"), weights="w.h5")
