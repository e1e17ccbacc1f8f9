"""Train a whole network from random weights on pictures that are decoded once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Chances, random_view
from training.loop.head import Examples
from training.loop.history import Epochs
from training.loop.plans import CHANCES, Plan
from training.loop.trainer import Batch, Task, fit, schedule_of


def train_from_scratch(
    network: Any,  # noqa: ANN401  Keras has no types
    examples: Examples,
    *,
    plan: Plan,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits on rows uint8[N, size, size, 3], changed at random.

    The step size falls to 0 along a cosine. Stops after `patience` epochs without a better one; the
    best validation epoch's weights stay.
    """
    chances = Chances(**{name: getattr(plan, name) for name in CHANCES})

    def train(rng: np.random.Generator) -> Iterator[Batch]:
        for pictures, labels, weights in examples.train(plan.batch_size, rng):
            yield changed(pictures, chances, rng), labels, weights

    task = Task(
        variables=network.trainable_variables,
        beside=network.non_trainable_variables,
        logits=lambda x, seed: network(x, training=seed is not None),
        shape=examples.views[0].shape[1:],
        dtype=np.uint8,
        classes=int(network.output.shape[-1]),
        steps=-(-len(examples.labels) // plan.batch_size),
        train=train,
        val=lambda: examples.val(64),
    )
    fit(task, schedule_of(plan, seed), epochs)


def changed(
    pictures: NDArray[np.uint8], chances: Chances, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return uint8[N, size, size, 3], each mirrored or otherwise changed by chance."""
    if any((chances.crop, chances.colour, chances.rotation, chances.erase)):
        return np.stack([random_view(picture, chances, rng) for picture in pictures])
    mirrored = rng.random(len(pictures)) < chances.flip
    pictures[mirrored] = pictures[mirrored, :, ::-1]
    return pictures
