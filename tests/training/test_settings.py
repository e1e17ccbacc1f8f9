import pytest

from pipeline.errors import SettingsError
from training.settings import PLANS, Plan, TrainSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_flag(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match="--" + name.replace("_", "-")):
        TrainSettings(**{name: value})  # type: ignore[arg-type]


def test_what_is_not_asked_for_is_the_recipes_own() -> None:
    assert TrainSettings().plan("original") == Plan(25, 128)
    assert TrainSettings(epochs=3).plan("fast") == Plan(3, PLANS["fast"].batch_size)
    assert TrainSettings(batch_size=7).plan("scratch") == Plan(PLANS["scratch"].epochs, 7)
