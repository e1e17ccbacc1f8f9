"""Train a network by a recipe: from a published version to a network that gives logits."""

from collections.abc import Callable, Mapping

from training.recipes.best import best
from training.recipes.context import Setup, Trained
from training.recipes.fast import fast
from training.recipes.from_pictures import original, scratch

RECIPES: Mapping[str, Callable[[Setup], Trained]] = {
    "fast": fast,
    "best": best,
    "original": original,
    "scratch": scratch,
}
