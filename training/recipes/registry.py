"""Choose and run a recipe: from a published version to a network that gives logits."""

from collections.abc import Callable

from training.data.memmap import decoded
from training.models.classifier import build_head, classifier
from training.recipes.best import best
from training.recipes.context import Setup, Trained, val_logits
from training.recipes.fast import fast, make_examples
from training.recipes.original import train_from_files
from training.recipes.scratch import train_from_scratch
from training.settings import TrainSettings

__all__ = ["Setup", "Trained", "best", "choose_recipe", "fast", "original", "scratch"]


def recipe_name(settings: TrainSettings) -> str:
    """Return the recipe asked for; without pretrained weights that is always from scratch.

    Known before the weights are looked for: only `--weights none` and the backbone small have none.
    """
    bare = settings.weights == "none" or settings.backbone == "small"
    return "scratch" if bare else settings.recipe


def choose_recipe(settings: TrainSettings) -> Callable[[Setup], Trained]:
    """Return what runs the recipe."""
    recipes = {"fast": fast, "best": best, "original": original, "scratch": scratch}
    return recipes[recipe_name(settings)]


def original(setup: Setup) -> Trained:
    """Train the head as published: every picture through the frozen backbone in every epoch."""
    version, plan = setup.version, setup.plan("original")
    trunk = setup.trunk(multi_scale=False)
    head = build_head(trunk.features, len(version.class_names))
    if setup.start is not None:
        setup.start.put_head(head, version.class_names)
    network = classifier(trunk, head, frozen=True)
    epochs = setup.epochs("original", plan.epochs, keep_best=False)
    with setup.watch.step("train"):
        train_from_files(network, version, plan=plan, seed=setup.settings.seed, epochs=epochs)
    return Trained("original", plan, network, val_logits(network, version), epochs)


def scratch(setup: Setup) -> Trained:
    """Train the whole network from random weights, on pictures that are decoded once."""
    version, plan = setup.version, setup.plan("scratch")
    trunk = setup.trunk(multi_scale=False)
    head = build_head(trunk.features, len(version.class_names), hidden=())
    if setup.start is not None:
        setup.start.put_head(head, version.class_names)
    network = classifier(trunk, head, frozen=False)
    epochs = setup.epochs("scratch", plan.epochs, patience=plan.patience or None)
    with setup.watch.step("decode"):
        rows = decoded(version, setup.embeddings, setup.versions, setup.bar("decoding"))
    examples = make_examples(setup, [rows], plan)
    with setup.watch.step("train"):
        train_from_scratch(network, examples, plan=plan, seed=setup.settings.seed, epochs=epochs)
    return Trained("scratch", plan, network, val_logits(network, version), epochs)
