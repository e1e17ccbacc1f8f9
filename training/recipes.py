"""Choose and run a recipe: from a published version to a network that gives logits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.checksums import file_sha256
from pipeline.progress import Bar, Bars, Stopwatch
from training.backbones import build_base
from training.embed import cache_key, cached_embeddings, store_embeddings
from training.epochs import Epochs
from training.head import train_head
from training.network import build_head, classifier, embedder, forward
from training.original import train_from_files
from training.pictures import Version, load_pictures, picture_batches
from training.scratch import PATIENCE, train_from_scratch
from training.settings import Plan, TrainSettings


@dataclass(frozen=True)
class Setup:
    """What every recipe starts from."""

    settings: TrainSettings
    version: Version
    weights: Path | None
    bars: Bars
    watch: Stopwatch

    def plan(self, recipe: str) -> Plan:
        """Return epochs and batch size of a recipe."""
        return self.settings.plan(recipe)

    def base(self) -> Any:  # noqa: ANN401  Keras has no types
        """Build the backbone at the version's size."""
        return build_base(self.settings.backbone, self.version.size, self.weights)

    def bar(self, recipe: str) -> Bar:
        """Show a bar of epochs."""
        return self.bars.add("epochs", total=self.plan(recipe).epochs)


@dataclass(frozen=True)
class Trained:
    """What a recipe made: pictures 0..255 -> logits, and the logits of the validation pictures."""

    recipe: str
    plan: Plan
    network: Any
    val_logits: NDArray[np.float64]
    epochs: Epochs


def choose_recipe(settings: TrainSettings, weights: Path | None) -> Callable[[Setup], Trained]:
    """Return the recipe asked for; without pretrained weights that is always from scratch."""
    if weights is None:
        return scratch
    return {"fast": fast, "original": original}[settings.recipe]


def fast(setup: Setup) -> Trained:
    """Embed each picture once with the frozen base, then train the head on that."""
    version, plan = setup.version, setup.plan("fast")
    base = setup.base()
    with setup.watch.step("embed"):
        features = _embeddings(setup, base)
    middle = len(version.splits["train"])
    head = build_head(features.shape[1], len(version.class_names))
    epochs = Epochs(setup.bar("fast"))
    with setup.watch.step("train"):
        train_head(
            head,
            (features[:middle], version.labels("train")),
            (features[middle:], version.labels("val")),
            plan=plan,
            learning_rate=setup.settings.learning_rate,
            epochs=epochs,
        )
    val_logits = np.asarray(head(np.asarray(features[middle:]), training=False), np.float64)
    return Trained("fast", plan, classifier(base, head, frozen=True), val_logits, epochs)


def original(setup: Setup) -> Trained:
    """Train the head as published: every picture through the frozen base in every epoch."""
    version, plan = setup.version, setup.plan("original")
    base = setup.base()
    head = build_head(base.output.shape[-1], len(version.class_names))
    network = classifier(base, head, frozen=True)
    epochs = Epochs(setup.bar("original"), keep_best=False)
    with setup.watch.step("train"):
        train_from_files(
            network,
            version,
            plan=plan,
            learning_rate=setup.settings.learning_rate,
            seed=setup.settings.seed,
            epochs=epochs,
        )
    return Trained("original", plan, network, _val_logits(network, version), epochs)


def scratch(setup: Setup) -> Trained:
    """Train the whole network from random weights, on pictures held in memory."""
    version, plan = setup.version, setup.plan("scratch")
    base = setup.base()
    head = build_head(base.output.shape[-1], len(version.class_names), hidden=())
    network = classifier(base, head, frozen=False)
    epochs = Epochs(setup.bar("scratch"), patience=PATIENCE)
    with setup.watch.step("decode"):
        train, val = (
            (load_pictures(version.paths(split), version.size, version.fit), version.labels(split))
            for split in ("train", "val")
        )
    with setup.watch.step("train"):
        train_from_scratch(
            network,
            train,
            val,
            plan=plan,
            learning_rate=setup.settings.learning_rate,
            seed=setup.settings.seed,
            epochs=epochs,
        )
    return Trained("scratch", plan, network, _val_logits(network, version), epochs)


def _embeddings(setup: Setup, base: Any) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the train pictures' features, then the validation pictures', float32[N, features]."""
    version, backbone = setup.version, setup.settings.backbone
    digest = file_sha256(setup.weights) if setup.weights else ""
    name = cache_key(version.id, backbone, version.size, digest, fit=version.fit)
    folder = setup.settings.dataset / "cache" / "embeddings" / name
    paths = version.paths("train") + version.paths("val")
    shape = (len(paths), int(base.output.shape[-1]))
    found = cached_embeddings(folder, shape)
    if found is not None:
        return found
    bar = setup.bars.add("embedding", total=len(paths))
    batches = picture_batches(paths, version.size, version.fit)
    examples = (*version.splits["train"], *version.splits["val"])
    return store_embeddings(
        folder,
        shape,
        batches,
        forward(embedder(base)),
        bar.advance,
        names=[example.sha256 for example in examples],
    )


def _val_logits(network: Any, version: Version) -> NDArray[np.float64]:  # noqa: ANN401
    run = forward(network)
    batches = picture_batches(version.paths("val"), version.size, version.fit)
    rows = [run(batch) for batch in batches]
    empty = np.empty((0, len(version.class_names)))
    return np.concatenate([empty, *rows]).astype(np.float64)
