"""Train on pictures: `original`, the published recipe, and `scratch`, from random weights."""

import math
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Chances, mirrored, random_view
from training.data.embeddings import decoded
from training.data.version import Version, own_errors, stream
from training.loop.history import Epochs
from training.loop.trainer import Hyperparameters, Task, assign, fit
from training.models.backend import keras
from training.models.classifier import build_head, classifier
from training.recipes.context import Setup, Trained, val_logits
from training.recipes.fast import make_examples


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
        rows = decoded(
            version, setup.embeddings, setup.versions, partial(setup.bars.add, "decoding")
        )
    task = Task(
        variables=network.trainable_variables,
        non_trainable=network.non_trainable_variables,
        logits=lambda x, seed: network(x, training=seed is not None),
        examples=make_examples(setup, [rows], plan),
        classes=len(version.class_names),
        change=lambda pictures, rng: changed(pictures, plan.chances, rng),
        val_batch=64,
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
    return mirrored(pictures, chances.flip, rng)


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
    network.compile(
        optimizer=keras.optimizers.Adam(plan.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    saved = epochs.resume()
    if saved is not None:
        assign(_variables(network), saved.arrays["model"])
    train, val = version.splits["train"], version.splits["val"]
    numbers = count(len(epochs.curves))
    data: dict[str, Any] = {
        "x": stream(version, train, plan.batch_size, lambda: (seed, next(numbers))),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if val:
        data["validation_data"] = stream(version, val, plan.batch_size, None)
    _run_epochs(network, data, epochs)


def _run_epochs(model: Any, data: Mapping[str, Any], epochs: Epochs) -> None:  # noqa: ANN401
    """Fit a compiled model; `data` is what Keras' `fit` takes. Leaves the kept epoch's weights.

    `data` must give the batches of the epochs that are left.
    """

    def ended(_epoch: int, logs: Mapping[str, float]) -> None:
        if not epochs.diverged:
            epochs.see(model, logs)
            epochs.save({"model": [variable.numpy() for variable in _variables(model)]})

    def stepped(batch: int, logs: Mapping[str, float]) -> None:
        if not (math.isfinite(logs["loss"]) or epochs.diverged):
            epochs.break_off(batch + 1)
            model.stop_training = True

    watching = keras.callbacks.LambdaCallback(on_epoch_end=ended, on_train_batch_end=stepped)
    if not epochs.stopped:
        with own_errors():
            model.fit(**data, initial_epoch=len(epochs.curves), callbacks=[watching], verbose=0)
    epochs.restore(model)


def _variables(model: Any) -> list[Any]:  # noqa: ANN401
    """Return weights, states of random generators, and the optimiser with its count of steps."""
    model.optimizer.build(model.trainable_variables)
    seeds = [one for one in model.non_trainable_variables if "seed" in one.path]
    return [*model.weights, *seeds, *model.optimizer.variables]
