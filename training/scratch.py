"""Train a whole network from random weights on pictures in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from training.backend import load_backend
from training.epochs import Epochs, compile_classifier, run_epochs
from training.settings import Plan
from training.stream import Batch, stream

PATIENCE = 8


def train_from_scratch(
    network: Any,  # noqa: ANN401  Keras has no types
    train: Batch,
    val: Batch,
    *,
    plan: Plan,
    learning_rate: float,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits on (uint8[N, size, size, 3], int64[N]), mirrored at random.

    The step size falls to 0 along a cosine. Stops after 8 epochs without a better one; the best
    validation epoch's weights stay.
    """
    keras = load_backend().keras
    rng = np.random.default_rng(seed)
    steps = -(-len(train[1]) // plan.batch_size)
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, plan.epochs * steps)
    compile_classifier(network, falling)
    data: dict[str, Any] = {
        "x": stream(
            lambda: mirrored_batches(train, plan.batch_size, rng), train[0].shape[1], steps
        ),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if len(val[1]):
        data["validation_data"] = val
    run_epochs(network, data, epochs)


def mirrored_batches(examples: Batch, batch: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield every example once in random order, each mirrored left to right with a chance of 1/2.

    Keras' own layer for this takes a third of the training step of a small network.
    """
    pictures, labels = examples
    order = rng.permutation(len(labels))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        stack = pictures[chosen]
        mirrored = rng.random(len(chosen)) < 0.5  # noqa: PLR2004  a fair coin
        stack[mirrored] = stack[mirrored, :, ::-1]
        yield stack, labels[chosen]
