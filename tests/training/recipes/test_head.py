"""Train heads on drawn features, for real."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sceneset.progress import Bars
from training.data.memmap import Rows
from training.loop.history import Checkpoint, DivergedError, Epochs, State
from training.loop.trainer import Examples, Hyperparameters, step_size
from training.models.backend import load_backend
from training.models.classifier import build_head
from training.recipes.fast import (
    absorb_standardization,
    class_weights,
    mean_and_std,
    restore_standardization,
    train_head,
)

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
PLAN = Hyperparameters(
    epochs=4,
    batch_size=16,
    weight_decay=0.1,
    warmup=0.05,
    hidden=12,
    dropout=0.3,
    input_dropout=0.2,
)


class KilledError(Exception):
    """Stands in for SIGKILL."""


class Dying(Checkpoint):
    """Save an epoch, then die."""

    def save(self, state: State) -> None:
        super().save(state)
        if len(state.facts["curves"]) == 2:
            raise KilledError


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Return two views of 60 + 20 rows of three classes that can be told apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 80)
    centres = rng.normal(0, 3, (3, 8))
    for view in range(2):
        rows = 5 + 4 * (centres[labels] + rng.normal(0, 1, (80, 8)))
        np.save(tmp_path / f"{view}.npy", rows.astype(np.float32))
    views = [Rows(tmp_path / f"{view}.npy") for view in range(2)]
    return Examples(views, labels[:60], np.ones(60, np.float32), labels[60:])


def trained(examples: Examples, checkpoint: Checkpoint, **plan: Any) -> tuple[Any, Epochs]:  # noqa: ANN401  Hyperparameters's own
    load_backend().keras.utils.set_random_seed(1)
    made = replace(PLAN, **plan)
    head = build_head(8, 3, (made.hidden,), dropout=made.dropout, input_dropout=made.input_dropout)
    epochs = Epochs(Bars(None).add("epochs"), checkpoint=checkpoint)
    scaling = mean_and_std(examples.views, 60)
    train_head(head, examples, scaling, plan=made, seed=3, epochs=epochs)
    return head, epochs


@pytest.mark.parametrize("options", [{}, {"mixup": 1.0, "average": 0.9, "label_smoothing": 0.1}])
def test_a_run_that_was_killed_ends_bit_for_bit_like_an_undisturbed_one(
    examples: Examples, tmp_path: Path, options: dict[str, float]
) -> None:
    whole, seen = trained(examples, Checkpoint(), **options)
    with pytest.raises(KilledError):
        trained(examples, Dying(tmp_path / "head.npz"), **options)
    again, seen_again = trained(examples, Checkpoint(tmp_path / "head.npz"), **options)
    assert all(map(np.array_equal, whole.get_weights(), again.get_weights()))
    assert (seen.curves, seen.kept) == (seen_again.curves, seen_again.kept)


def test_a_head_learns_and_its_best_epoch_stays(examples: Examples) -> None:
    _, epochs = trained(examples, Checkpoint(), epochs=12, learning_rate=0.02)
    accuracies = [curve["val_accuracy"] for curve in epochs.curves]
    assert accuracies[epochs.kept - 1] == max(accuracies) > 0.8


def test_folding_the_standardising_into_the_first_layer_changes_no_answer(
    examples: Examples,
) -> None:
    head, _ = trained(examples, Checkpoint())
    mean, std = scaling = mean_and_std(examples.views, 60)
    rows = examples.views[0].take(np.arange(80))
    before = np.asarray(head((rows - mean) / std, training=False))
    weights = [w.copy() for w in head.get_weights()]
    absorb_standardization(head, scaling)
    assert np.abs(np.asarray(head(rows, training=False)) - before).max() < 1e-5
    restore_standardization(head, scaling)
    assert all(
        np.allclose(a, b, atol=1e-6) for a, b in zip(weights, head.get_weights(), strict=True)
    )


def test_features_are_standardised_by_all_views_of_the_training_rows(examples: Examples) -> None:
    mean, std = mean_and_std(examples.views, 60)
    rows = np.concatenate([view.take(np.arange(60)) for view in examples.views])
    assert np.allclose(mean, rows.mean(axis=0), atol=1e-5)
    assert np.allclose(std, rows.std(axis=0) + 1e-3, atol=1e-5)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_loss_that_is_no_number_stops_training_and_the_last_good_epoch_stays(
    examples: Examples, *, hidden: bool
) -> None:
    class Breaking(Examples):
        """Give a batch that cannot be learnt from, in the second epoch."""

        epoch = 0

        def train(self, batch: int, rng: np.random.Generator) -> Iterator[Any]:
            type(self).epoch += 1
            for number, (rows, labels, weights) in enumerate(super().train(batch, rng)):
                bad = np.float32(np.nan if (self.epoch, number) == (2, 1) else 1)
                yield (rows * bad, labels, weights) if hidden else (rows, labels, weights * bad)

    broken = Breaking(examples.views, examples.labels, examples.weights, examples.val_labels)
    head, epochs = trained(broken, Checkpoint())
    assert (len(epochs.curves), epochs.kept) == (1, 1)
    assert f"step {4 if hidden else 2} of epoch 2" in epochs.diverged
    assert all(np.isfinite(weights).all() for weights in head.get_weights())


def test_a_first_epoch_without_a_loss_leaves_nothing_to_keep(examples: Examples) -> None:
    lost = replace(examples, weights=np.full(60, np.nan, np.float32))
    with pytest.raises(DivergedError, match="step 1 of epoch 1") as caught:
        trained(lost, Checkpoint())
    assert caught.value.exit_code == 2


def test_rare_classes_weigh_more_when_asked() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    assert class_weights(labels, 3, "none").tolist() == [1, 1, 1, 1, 1]
    balanced, root = class_weights(labels, 3, "balanced"), class_weights(labels, 3, "root")
    assert balanced[4] == pytest.approx(4 * balanced[0])
    assert root[4] == pytest.approx(2 * root[0])
    assert balanced.mean() == pytest.approx(root.mean()) == pytest.approx(1)


def test_the_step_size_rises_then_falls_along_a_cosine() -> None:
    plan = Hyperparameters(epochs=1, batch_size=1, learning_rate=1.0, warmup=0.1)
    rates = [step_size(plan, step, 100, 0.02) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)
