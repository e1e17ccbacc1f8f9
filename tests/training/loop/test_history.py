from dataclasses import dataclass, field

import pytest

from training.loop.history import DivergedError, Epochs
from training.recipes.from_pictures import CURE


@dataclass
class Model:
    """Stands in for a Keras model: its weights are the number of the epoch."""

    weights: list[int] = field(default_factory=lambda: [0])
    stop_training: bool = False

    def get_weights(self) -> list[int]:
        return list(self.weights)

    def set_weights(self, weights: list[int]) -> None:
        self.weights = weights


class Bar:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


def run(epochs: Epochs, validation: list[tuple[float, float]]) -> Model:
    """Show the epochs one by one as (validation accuracy, validation loss), as Keras does."""
    model = Model()
    for number, (accuracy, loss) in enumerate(validation, start=1):
        model.weights = [number]
        epochs.see(model, {"loss": 1.0, "val_accuracy": accuracy, "val_loss": loss})
        if model.stop_training:
            break
    epochs.restore(model)
    return model


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ([(0.5, 1.0), (0.8, 2.0), (0.7, 0.5)], 2),
        ([(0.5, 1.0), (0.8, 0.9), (0.8, 0.6), (0.8, 0.7)], 3),
        ([(0.5, 1.0), (0.5, 1.0)], 1),
    ],
)
def test_the_most_accurate_epoch_is_kept_and_of_equals_the_one_of_lowest_loss(
    validation: list[tuple[float, float]], best: int
) -> None:
    epochs = Epochs(Bar())
    assert run(epochs, validation).weights == [best]
    assert epochs.kept == best
    assert len(epochs.curves) == len(validation)


def test_training_stops_after_so_many_epochs_without_a_better_one() -> None:
    epochs = Epochs(Bar(), patience=2)
    model = run(epochs, [(0.5, 1), (0.6, 1), (0.4, 1), (0.4, 1), (0.9, 1)])
    assert model.stop_training
    assert (len(epochs.curves), epochs.kept, model.weights) == (4, 2, [2])


def test_the_last_epoch_stays_when_the_best_is_not_asked_for() -> None:
    epochs = Epochs(Bar(), keep_best=False)
    assert run(epochs, [(0.9, 1), (0.1, 1)]).weights == [2]
    assert epochs.kept == 2


def test_the_last_epoch_stays_without_validation_pictures() -> None:
    epochs, model = Epochs(Bar(), patience=1), Model([7])
    for _ in range(3):
        epochs.see(model, {"loss": 1.0})
    epochs.restore(model)
    assert (epochs.kept, model.weights, model.stop_training) == (3, [7], False)


def test_a_loss_that_is_no_number_names_the_option_of_its_own_phase() -> None:
    for epochs, option in (
        (Epochs(Bar()), "--learning-rate"),
        (Epochs(Bar(), cure=CURE), "--fine-tune-rate"),
    ):
        epochs.break_off(3)
        with pytest.raises(DivergedError) as caught:
            epochs.restore(Model())
        assert caught.value.cure.startswith(option)
