"""Train the head first, then the backbone's upper part on cached activations; keep the better."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import mirrored
from training.data.embeddings import KINDS
from training.evaluation.calibration import fit_temperature
from training.evaluation.metrics import cross_entropy_of_logits
from training.loop.history import DivergedError, Epochs
from training.loop.trainer import Examples, Hyperparameters, Task, fit, head_logits
from training.models.backbones.hub import shown_name
from training.models.backbones.table import BACKBONES
from training.models.backend import keras
from training.models.classifier import FoldedTail, Trunk, classifier
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
