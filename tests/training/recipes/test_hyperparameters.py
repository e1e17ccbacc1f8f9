from dataclasses import fields

import pytest

from sceneset.errors import SettingsError
from training.loop.trainer import Hyperparameters
from training.recipes.hyperparameters import MANY, RECIPE_DEFAULTS, choose_hyperparameters
from training.settings import TrainSettings


def test_what_is_not_asked_for_is_the_recipes_own() -> None:
    plan = choose_hyperparameters(TrainSettings(recipe="original"), 1000)
    assert (plan.epochs, plan.batch_size, plan.views, plan.dropout) == (25, 128, 1, 0.0)
    assert choose_hyperparameters(TrainSettings(epochs=3), 1000).epochs == 3
    assert choose_hyperparameters(TrainSettings(batch_size=7, weights="none"), 1000).batch_size == 7


def test_many_pictures_need_fewer_epochs_unless_asked_otherwise() -> None:
    for recipe in ("fast", "best"):
        few, many = (
            choose_hyperparameters(TrainSettings(recipe=recipe), count)
            for count in (MANY, MANY + 1)
        )
        assert many.epochs < few.epochs
        assert (many.fine_tune_epochs < few.fine_tune_epochs) is (recipe == "best")
    assert choose_hyperparameters(TrainSettings(epochs=21), MANY + 1).epochs == 21
    assert (
        choose_hyperparameters(
            TrainSettings(fine_tune_epochs=21, recipe="best"), MANY + 1
        ).fine_tune_epochs
        == 21
    )


@pytest.mark.parametrize("recipe", sorted(RECIPE_DEFAULTS))
def test_a_setting_that_a_recipe_cannot_use_is_refused(recipe: str) -> None:
    values = {"class_weights": "root", "epochs": 2, "batch_size": 2, "hidden": 2, "views": 3}
    values |= {"fine_tune_epochs": 2, "fine_tune_batch": 2}
    chosen = {"weights": "none"} if recipe == "scratch" else {"recipe": recipe}
    for field in fields(Hyperparameters):
        settings = TrainSettings(**chosen, **{field.name: values.get(field.name, 0.5)})
        if field.name in RECIPE_DEFAULTS[recipe]:
            continue
        with pytest.raises(SettingsError, match="--" + field.name.replace("_", "-")) as caught:
            choose_hyperparameters(settings, 1000)
        assert caught.value.exit_code == 2


def test_chances_of_random_views_are_refused_where_no_view_is_random() -> None:
    with pytest.raises(SettingsError, match="--crop does nothing with --views 2"):
        choose_hyperparameters(TrainSettings(crop=0.5), 1000)
    assert choose_hyperparameters(TrainSettings(crop=0.5, views=3), 1000).crop == 0.5
    assert choose_hyperparameters(TrainSettings(flip=0.0, views=1, recipe="best"), 1000).flip == 0.0


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_large", "convnext_tiny", "vgg16"])
def test_best_refuses_a_backbone_that_it_cannot_train(name: str) -> None:
    with pytest.raises(SettingsError, match=f"best cannot train the backbone {name}") as caught:
        choose_hyperparameters(TrainSettings(recipe="best", backbone=name), 1000)
    assert caught.value.exit_code == 2
    assert "mobilenet_v2 or efficientnet_v2_b0" in str(caught.value.cure)
    choose_hyperparameters(TrainSettings(backbone=name), 1000)


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_v2_b0", "hub:any_preset"])
def test_best_takes_what_it_can_train_and_presets(name: str) -> None:
    choose_hyperparameters(TrainSettings(recipe="best", backbone=name), 1000)
