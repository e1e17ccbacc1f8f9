"""Say how each recipe trains: its own values, what may be set, and what it cannot use."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sceneset.errors import SettingsError
from training.data.augment import Chances
from training.loop.trainer import Hyperparameters
from training.models.backbones.table import BACKBONES
from training.settings import TrainSettings, flag

MANY = 5000


_HEAD: Mapping[str, Any] = {
    "epochs": 30,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "weight_decay": 0.3,
    "warmup": 0.05,
    "hidden": 512,
    "dropout": 0.7,
    "input_dropout": 0.4,
    "label_smoothing": 0.0,
    "class_weights": "none",
    "average": 0.0,
    "mixup": 0.0,
    "patience": 0,
    "views": 2,
    "flip": 0.5,
    "crop": 1.0,
    "colour": 0.5,
    "rotation": 0.0,
    "erase": 0.0,
}
# A value that stands here is the recipe's own and may be set; one that does not has no use in it.
RECIPE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "fast": _HEAD,
    "best": {
        **_HEAD,
        "views": 6,
        "fine_tune_epochs": 12,
        "fine_tune_batch": 64,
        "fine_tune_rate": 3e-4,
        "fine_tune_decay": 0.01,
        "fine_tune_warmup": 0.1,
        "fine_tune_smoothing": 0.1,
        "fine_tune_dropout": 0.5,
        "fine_tune_input_dropout": 0.2,
        "fewest_per_class": 150,
    },
    "original": {"epochs": 25, "batch_size": 128, "learning_rate": 1e-3},
    "scratch": {
        "epochs": 30,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "class_weights": "none",
        "average": 0.0,
        "mixup": 0.0,
        "patience": 8,
        "flip": 0.5,
        "crop": 0.0,
        "colour": 0.0,
        "rotation": 0.0,
        "erase": 0.0,
    },
}
CHANCES = tuple(field.name for field in fields(Chances))
_HEAD_WITH_MANY = {"epochs": 8, "batch_size": 128, "dropout": 0.5, "input_dropout": 0.2}
_WITH_MANY: Mapping[str, Mapping[str, Any]] = {
    "fast": _HEAD_WITH_MANY,
    "best": {**_HEAD_WITH_MANY, "fine_tune_epochs": 6},
}


def choose_hyperparameters(settings: TrainSettings, pictures: int) -> Hyperparameters:
    """Return a recipe's values for so many training pictures, with those that were requested.

    Raises SettingsError for a setting that the recipe has no use for, or a backbone that it cannot train.
    """
    recipe = settings.recipe_name
    _check_backbone(recipe, settings.backbone)
    own = RECIPE_DEFAULTS[recipe]
    values = {field.name: getattr(settings, field.name) for field in fields(Hyperparameters)}
    requested = {name: value for name, value in values.items() if value is not None}
    for name in requested:
        if name not in own:
            users = ", ".join(one for one, values in RECIPE_DEFAULTS.items() if name in values)
            raise SettingsError(
                f"{flag(name)} does nothing in the recipe {recipe}",
                cure=f"leave it out, or choose a recipe that uses it: {users}",
            )
    many = _WITH_MANY.get(recipe, {}) if pictures > MANY else {}
    plan = Hyperparameters(**{**own, **many, **requested})
    _check_views(plan, recipe, requested)
    return plan


def _check_backbone(recipe: str, backbone: str) -> None:
    """Refuse what `best` cannot cut in two; of a preset of KerasHub it keeps the head alone."""
    tunable = [row.name for row in BACKBONES.values() if row.fine_tune_from]
    if recipe == "best" and backbone in BACKBONES and backbone not in tunable:
        raise SettingsError(
            f"the recipe best cannot train the backbone {backbone}",
            cure=f"--recipe fast, or --backbone {' or '.join(tunable)}",
        )


def _check_views(plan: Hyperparameters, recipe: str, requested: Mapping[str, Any]) -> None:
    """Refuse chances of random views where there are none: view 1 is the centre, 2 its mirror."""
    if "views" not in RECIPE_DEFAULTS[recipe] or plan.views > 2:  # noqa: PLR2004
        return
    for name in CHANCES:
        if name in requested and not (name == "flip" and recipe == "best"):
            raise SettingsError(
                f"{flag(name)} does nothing with --views {plan.views}",
                cure="--views 3 or more: each view after the second is drawn at random",
            )
