"""Embed each picture once with the frozen base, then train the head on that."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.embeddings import FeatureKind, FeatureSource, Runtimes, View, embed
from training.data.memmap import Rows
from training.loop.history import Epochs
from training.loop.trainer import BLOCK, Examples, Floats, Hyperparameters, Task, fit, head_logits
from training.models.classifier import Trunk, build_head, classifier, embedder, weighted_layers
from training.models.inference import choose_runtime, forward_all, openvino_runtime
from training.recipes.context import Setup, Trained

HEAD_VIEWS = 2
STD_FLOOR = 1e-3


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
        examples=examples,
        classes=int(head.layers[-1].units),
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


@dataclass(frozen=True)
class TrainedHead:
    """A head on features, that standardises by itself, and what it learnt from."""

    head: Any
    examples: Examples
    epochs: Epochs
    scaling: tuple[Floats, Floats]

    def val_logits(self) -> NDArray[np.float64]:
        """Return the logits of the validation pictures, float64[N, classes]."""
        rows = [x for x, _, _ in self.examples.val()]
        features = np.concatenate(rows) if rows else np.empty((0, self.examples.views[0].shape[1]))
        return np.asarray(self.head(features.astype(np.float32), training=False), np.float64)


def fast(setup: Setup) -> Trained:
    """Embed each picture once with the frozen base, then train the head on that."""
    plan = setup.plan
    trunk = setup.trunk(multi_scale=True)
    views = make_views(plan)
    made = train_on_embeddings(setup, trunk, plan, views)
    network = classifier(trunk, made.head, frozen=True)
    facts = {
        "engine": choose_runtime(setup.settings.engine),
        "views": [str(view) for view in views],
    }
    features = made.examples.views[0]
    return Trained("fast", plan, network, made.val_logits(), made.epochs, facts, features)


def make_views(plan: Hyperparameters) -> list[View]:
    """Return the views of each training picture, the centre first."""
    return [View(number, plan.chances) for number in range(plan.views)]


def train_on_embeddings(
    setup: Setup, trunk: Trunk, plan: Hyperparameters, views: Sequence[View], phase: str = "head"
) -> TrainedHead:
    """Embed in some views, and train a head on that, which standardises by itself."""
    with setup.watch.step("embed"):
        rows = embeddings(setup, trunk, [(view, "pooled") for view in views])
    examples = make_examples(setup, rows, plan)
    class_names = setup.version.class_names
    dropouts = {"dropout": plan.dropout, "input_dropout": plan.input_dropout}
    head = build_head(trunk.features, len(class_names), (plan.hidden,), **dropouts)
    epochs = setup.epochs(phase, plan.epochs, patience=plan.patience or None)
    with setup.watch.step("train"):
        scaling = mean_and_std(rows, len(examples.labels))
        if setup.start is not None and setup.start.put_head(head, class_names):
            restore_standardization(head, scaling)
        seed = setup.settings.seed
        train_head(head, examples, scaling, plan=plan, seed=seed, epochs=epochs)
        absorb_standardization(head, scaling)
    return TrainedHead(head, examples, epochs, scaling)


def embeddings(
    setup: Setup, trunk: Trunk, wanted: Sequence[tuple[View, FeatureKind]], cut: str | None = None
) -> list[Rows]:
    """Return what is wanted of the pictures, computed where the cache does not hold it."""
    settings, version = setup.settings, setup.version
    chosen = choose_runtime(settings.engine)
    read = ",".join(trunk.taps) or "output"
    shapes: dict[FeatureKind, tuple[int, ...]] = {"pooled": (trunk.features,)}
    if cut is not None:
        shapes["map"] = tuple(trunk.base.get_layer(cut).output.shape[1:])
    source = FeatureSource(
        version,
        setup.embeddings,
        f"{settings.backbone} {setup.weights_sha256} {read} {chosen}",
        shapes,
    )

    def runtimes() -> Runtimes:
        model = embedder(trunk, cut=cut)
        exact = forward_all(model)
        return Runtimes(openvino_runtime(model) if chosen == "openvino" else exact, exact)

    return embed(source, wanted, runtimes, setup.versions, partial(setup.bars.add, "embedding"))


def make_examples(setup: Setup, rows: Sequence[Rows], plan: Hyperparameters) -> Examples:
    """Put rows of each view together with their labels and weights."""
    version = setup.version
    labels = version.labels("train")
    weights = class_weights(labels, len(version.class_names), plan.class_weights)
    return Examples(rows, labels, weights, version.labels("val"))
