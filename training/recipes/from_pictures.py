"""The recipes that one embedding of each picture is not enough for: `best`, `original`, `scratch`.

`best` trains the head first, then the backbone's upper part on cached activations, and keeps the better;
`original` is the published recipe; `scratch` starts from random weights.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Chances, mirrored, random_view
from training.data.embeddings import KINDS, decoded
from training.data.version import Version, own_errors, stream
from training.evaluation.calibration import fit_temperature
from training.evaluation.metrics import cross_entropy_of_logits
from training.loop.history import DivergedError, Epochs
from training.loop.trainer import Examples, Hyperparameters, Task, assign, fit, head_logits
from training.models.backbones.hub import shown_name
from training.models.backbones.table import BACKBONES
from training.models.backend import keras
from training.models.classifier import FoldedTail, Trunk, build_head, classifier
from training.recipes.context import Setup, Trained, val_logits
from training.recipes.fast import (
    HEAD_VIEWS,
    TrainedHead,
    absorb_standardization,
    embeddings,
    make_examples,
    make_views,
    restore_standardization,
    train_on_embeddings,
)

LAST = 0.02
CURE = "--fine-tune-rate 0.00003 or less"


def best(setup: Setup) -> Trained:
    """Train the head, then the backbone's upper part with it; keep what validates better."""
    plan, version = setup.plan, setup.version
    trunk = setup.trunk(multi_scale=True)
    views = make_views(plan)
    first = train_on_embeddings(setup, trunk, plan, views[:HEAD_VIEWS])
    network = classifier(trunk, first.head, frozen=True)
    before = first.val_logits()
    facts: dict[str, Any] = {"fine_tuned": False, "views": [str(view) for view in views]}
    rows = first.examples.views[0]
    head_only = Trained("best", plan, network, before, first.epochs, facts, rows)
    why_not = _why_not(setup, plan)
    if why_not:
        setup.say(f"the backbone stays as it is: {why_not}")
        return replace(head_only, facts=facts | {"why": why_not})
    kept = network.get_weights()
    try:
        network, epochs = _fine_tune(setup, trunk, plan)
    except DivergedError as error:
        head_only.network.set_weights(kept)
        setup.say(f"{error.problem}: the head alone is kept")
        return replace(head_only, facts=facts | {"why": error.problem})
    facts |= {"fine_tune_curves": epochs.curves}
    head_only = replace(head_only, fine_tune=epochs)
    after = val_logits(network, version)
    labels = version.labels("val")
    if len(labels) and not calibrated_loss(after, labels) < calibrated_loss(before, labels):
        setup.say("training the backbone did not validate better: the head alone is kept")
        head_only.network.set_weights(kept)
        return replace(head_only, facts=facts | {"why": "it did not validate better"})
    facts |= {"fine_tuned": True}
    tuned = {"network": network, "val_logits": after, "epochs": epochs, "head": first.epochs}
    return replace(head_only, **tuned, facts=facts)


def _why_not(setup: Setup, plan: Hyperparameters) -> str:
    """Return why the backbone is not trained, or nothing."""
    version = setup.version
    taught = len(version.class_names) - len(version.classes_without("train"))
    per_class = len(version.splits["train"]) / taught
    if BACKBONES[setup.settings.backbone].fine_tune_from is None:
        return f"{shown_name(setup.settings.backbone)} has no layer to cut it at"
    if per_class < plan.fewest_per_class:
        return (
            f"{per_class:.0f} training pictures per class are fewer than"
            f" {plan.fewest_per_class} (--fewest-per-class 0 trains it all the same)"
        )
    return ""


def _fine_tune(setup: Setup, trunk: Trunk, plan: Hyperparameters) -> tuple[Any, Epochs]:
    """Train tail and head in place on cached activations; return the network, pictures -> logits.

    The head starts from one that was trained on all views with labels smoothed and values left out
    as in the steps here.
    """
    cut = str(BACKBONES[setup.settings.backbone].fine_tune_from)
    views = make_views(plan)
    wanted = [(view, kind) for view in views for kind in KINDS]
    with setup.watch.step("embed"):
        rows = embeddings(setup, trunk, wanted, cut)[1::2]
    tuning = plan.for_fine_tuning()
    alike = replace(
        plan,
        label_smoothing=tuning.label_smoothing,
        dropout=tuning.dropout,
        input_dropout=tuning.input_dropout,
    )
    start = train_on_embeddings(setup, trunk, alike, views, "head_on_all_views")
    network = classifier(trunk, start.head, frozen=True)
    examples = make_examples(setup, rows, plan)
    epochs = setup.epochs("fine_tune", tuning.epochs, cure=CURE)
    task = _task(trunk, start, cut, examples, tuning)
    with setup.watch.step("fine_tune"):
        restore_standardization(start.head, start.scaling)
        fit(task, tuning, epochs, seed=setup.settings.seed, last=LAST)
        absorb_standardization(start.head, start.scaling)
    return network, epochs


def _task(
    trunk: Trunk, start: TrainedHead, cut: str, examples: Examples, plan: Hyperparameters
) -> Task:
    """Describe the training of tail and head.

    The head takes standardised features meanwhile: leaving out an input then means its average.
    """
    tail = FoldedTail(trunk.base, cut, trunk.outputs())
    ops = keras.ops
    mean, std = start.scaling

    def logits(x: Any, seed: Any) -> Any:  # noqa: ANN401
        pooled = [ops.mean(one, axis=(1, 2)) for one in tail(x)]
        features = (ops.concatenate(pooled, axis=-1) - mean) / std
        return head_logits(start.head, features, seed)

    return Task(
        variables=[*tail.variables, *start.head.trainable_variables],
        logits=logits,
        examples=examples,
        classes=int(start.head.layers[-1].units),
        change=lambda maps, rng: mirrored(maps, plan.flip, rng),
        val_batch=plan.batch_size,
    )


def calibrated_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy in nats at the temperature that suits it best.

    Logits float[N, classes], labels int[N]. A few hundred pictures tell networks apart by it where
    their accuracies differ by chance, and the bundle has a temperature anyway.
    """
    return cross_entropy_of_logits(logits / fit_temperature(logits, labels), labels)


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
