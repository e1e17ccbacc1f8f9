"""Train the head on embeddings: the fast recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.memmap import Rows
from training.loop.history import Epochs
from training.loop.trainer import Batch, Hyperparameters, Task, fit, head_logits
from training.models.classifier import weighted_layers

BLOCK = 1024
STD_FLOOR = 1e-3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """Rows of each view, labels and weights of the training pictures, labels of the others.

    The first view's rows hold the training, then the validation pictures.
    """

    views: Sequence[Rows]
    labels: NDArray[np.int64]
    weights: Floats
    val_labels: NDArray[np.int64]

    def train(self, batch: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield every training picture once, in random order, each in a view drawn at random."""
        order = rng.permutation(len(self.labels))
        drawn = rng.integers(0, len(self.views), len(order))
        for start in range(0, len(order), batch):
            chosen, views = order[start : start + batch], drawn[start : start + batch]
            yield self._rows(chosen, views), self.labels[chosen], self.weights[chosen]

    def val(self, batch: int = BLOCK) -> Iterator[Batch]:
        """Yield the validation pictures, centre view, in order."""
        middle, count = len(self.labels), len(self.val_labels)
        for start in range(0, count, batch):
            places = np.arange(start, min(start + batch, count))
            rows = self.views[0].take(places + middle)
            yield rows, self.val_labels[places], np.ones(len(places), np.float32)

    def _rows(self, chosen: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[Any]:
        first = self.views[0]
        batch = np.empty((len(chosen), *first.shape[1:]), first.dtype)
        for number, rows in enumerate(self.views):
            in_view = views == number
            batch[in_view] = rows.take(chosen[in_view])
        return batch


def mean_and_std(views: Sequence[Rows], count: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation + 0.001 of the first rows of all views, per feature."""
    width = views[0].shape[1]
    total, squares = np.zeros(width), np.zeros(width)
    for rows in views:
        for start in range(0, count, BLOCK):
            block = rows.take(np.arange(start, min(start + BLOCK, count))).astype(np.float64)
            total += block.sum(axis=0)
            squares += (block**2).sum(axis=0)
    mean = total / (count * len(views))
    std = np.sqrt(np.maximum(squares / (count * len(views)) - mean**2, 0)) + STD_FLOOR
    return mean.astype(np.float32), std.astype(np.float32)


def train_head(
    head: Any,  # noqa: ANN401  Keras has no types
    examples: Examples,
    scaling: tuple[Floats, Floats],
    *,
    plan: Hyperparameters,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit a head that takes standardised features: (x - mean) / std; keep the best epoch.

    With a frozen base the features of a view never change.
    """
    mean, std = scaling
    task = Task(
        variables=head.trainable_variables,
        logits=lambda x, seed: head_logits(head, (x - mean) / std, seed),
        shape=(len(mean),),
        dtype=np.float32,
        classes=int(head.layers[-1].units),
        steps=-(-len(examples.labels) // plan.batch_size),
        train=lambda rng: examples.train(plan.batch_size, rng),
        val=examples.val,
    )
    fit(task, plan, epochs, seed=seed)


def absorb_standardization(head: Any, scaling: tuple[Floats, Floats]) -> None:  # noqa: ANN401
    """Let the first dense layer standardise, in place: the head then takes plain features."""
    mean, std = scaling
    first = weighted_layers(head)[0]
    kernel, bias = first.get_weights()
    scaled = kernel / std[:, None]
    first.set_weights([scaled, bias - mean.astype(np.float64) @ scaled.astype(np.float64)])


def restore_standardization(head: Any, scaling: tuple[Floats, Floats]) -> None:  # noqa: ANN401
    """Undo `absorb_standardization`, in place: the head then takes standardised features."""
    mean, std = scaling
    first = weighted_layers(head)[0]
    kernel, bias = first.get_weights()
    first.set_weights([kernel * std[:, None], bias + mean.astype(np.float64) @ kernel])


def class_weights(labels: NDArray[np.int64], classes: int, how: str) -> Floats:
    """Return a weight per picture, 1 on average: by how rare its class is, or all alike."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    power = {"none": 0.0, "root": 0.5, "balanced": 1.0}[how]
    weights = (1.0 / counts[labels]) ** power
    return np.asarray(weights / weights.mean(), np.float32)
