"""Train on pictures: `original`, the published recipe, and `scratch`, from random weights."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Chances, random_view
from training.data.memmap import decoded
from training.data.version import Example, Version, labels_of, picture_batches
from training.loop.history import (
    Epochs,
    Labelled,
    compile_classifier,
    resume_model,
    run_epochs,
    stream,
)
from training.loop.trainer import Batch, Hyperparameters, Task, fit
from training.models.classifier import build_head, classifier
from training.recipes.context import Setup, Trained, val_logits
from training.recipes.fast import make_examples

# Called once per epoch: the seed of the run, the number of the epoch
Seeds = Callable[[], tuple[int, int]]


def original(setup: Setup) -> Trained:
    """Train the head as published: every picture through the frozen backbone in every epoch."""
    version, plan = setup.version, setup.plan
    network = _build_network(setup, frozen=True)
    epochs = setup.epochs("original", plan.epochs, keep_best=False)
    with setup.watch.step("train"):
        train_from_files(network, version, plan=plan, seed=setup.settings.seed, epochs=epochs)
    return Trained("original", plan, network, val_logits(network, version), epochs)


def scratch(setup: Setup) -> Trained:
    """Train the whole network from random weights, on pictures that are decoded once.

    The step size falls to 0 along a cosine. Stops after `patience` epochs without a better one; the
    best validation epoch's weights stay.
    """
    version, plan = setup.version, setup.plan
    network = _build_network(setup, hidden=(), frozen=False)
    epochs = setup.epochs("scratch", plan.epochs, patience=plan.patience or None)
    with setup.watch.step("decode"):
        rows = decoded(version, setup.embeddings, setup.versions, setup.bar("decoding"))
    examples = make_examples(setup, [rows], plan)

    def train(rng: np.random.Generator) -> Iterator[Batch]:
        for pictures, labels, weights in examples.train(plan.batch_size, rng):
            yield changed(pictures, plan.chances, rng), labels, weights

    task = Task(
        variables=network.trainable_variables,
        non_trainable=network.non_trainable_variables,
        logits=lambda x, seed: network(x, training=seed is not None),
        shape=rows.shape[1:],
        dtype=np.uint8,
        classes=len(version.class_names),
        steps=-(-len(examples.labels) // plan.batch_size),
        train=train,
        val=lambda: examples.val(64),
    )
    with setup.watch.step("train"):
        fit(task, plan, epochs, seed=setup.settings.seed)
    return Trained("scratch", plan, network, val_logits(network, version), epochs)


def _build_network(setup: Setup, *, frozen: bool, **head: Any) -> Any:  # noqa: ANN401  Keras has no types
    """Join the backbone with a new head, which takes the weights of an earlier one if it may."""
    trunk, names = setup.trunk(multi_scale=False), setup.version.class_names
    built = build_head(trunk.features, len(names), **head)
    if setup.start is not None:
        setup.start.put_head(built, names)
    return classifier(trunk, built, frozen=frozen)


def changed(
    pictures: NDArray[np.uint8], chances: Chances, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return uint8[N, size, size, 3], each mirrored or otherwise changed by chance."""
    if any((chances.crop, chances.colour, chances.rotation, chances.erase)):
        return np.stack([random_view(picture, chances, rng) for picture in pictures])
    mirrored = rng.random(len(pictures)) < chances.flip
    pictures[mirrored] = pictures[mirrored, :, ::-1]
    return pictures


def train_from_files(
    network: Any,  # noqa: ANN401
    version: Version,
    *,
    plan: Hyperparameters,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits over a frozen base, decoding in every epoch; the last epoch stays.

    25 epochs, batches of 128, Adam 1e-3, no augmentation: train.py of Antony90/ml-photo-api.
    """
    compile_classifier(network, plan.learning_rate)
    resume_model(network, epochs)
    train, val = version.splits["train"], version.splits["val"]
    numbers = count(len(epochs.curves))
    data: dict[str, Any] = {
        "x": _stream(version, train, plan.batch_size, lambda: (seed, next(numbers))),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if val:
        data["validation_data"] = _stream(version, val, plan.batch_size, None)
    run_epochs(network, data, epochs)


def _stream(version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None) -> Any:  # noqa: ANN401
    batches = partial(_batches, version, examples, batch, seeds)
    return stream(batches, version.size, -(-len(examples) // batch))


def _batches(
    version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None
) -> Iterator[Labelled]:
    """Yield an epoch; in the order that the next seed draws, or as it is without seeds."""
    order = np.arange(len(examples))
    if seeds is not None:
        order = np.random.default_rng(seeds()).permutation(len(examples))
    chosen = [examples[place] for place in order.tolist()]
    pictures = picture_batches([e.path for e in chosen], version.size, version.fit, batch=batch)
    labels, start = labels_of(chosen), 0
    for stack in pictures:
        yield stack, labels[start : start + len(stack)]
        start += len(stack)
