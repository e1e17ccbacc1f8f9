"""Say what an interrupted run was, so that only the same run goes on with its epochs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from training.checkpoint import Checkpoints, begin, go_on, interrupted, require_same
from training.checks import check_pictures
from training.engines import choose_engine
from training.pictures import Version
from training.plans import make_plan
from training.recipes import recipe_name
from training.settings import TrainSettings
from training.setup import Setup

_WEIGHTS = "starting weights"
_ELSEWHERE = {"dataset", "out", "weights", "from_bundle", "resume", "mirrored_test", "engine"}
_ELSEWHERE |= {"export", "fit_tags", "suspects", "tensorboard"}


def about(settings: TrainSettings, version: Version, weights: str) -> dict[str, Any]:
    """Return everything that decides a run's result, as JSON gives it back.

    The plan's values stand in the place of settings that were left out: a recipe's own may be
    others in another release.
    """
    plan = make_plan(settings, recipe_name(settings), len(version.splits["train"]))
    told = {k: v for k, v in asdict(settings).items() if k not in _ELSEWHERE}
    return told | {
        **plan.as_json(),
        "data set version": version.id,
        "published pictures": version.pixels,
        "picture size": version.size,
        "picture fit": version.fit,
        _WEIGHTS: weights,
        "engine": choose_engine(settings.engine),
    }


def check_start(settings: TrainSettings, version: Version) -> None:
    """Refuse to go on with another run, then pictures that were altered since they were published.

    A run that goes on may lack test pictures: they are left out when it is measured, and its epochs
    are not lost. Raises UsageError or DamagedDataError.
    """
    before = _gone_on_with(settings)
    splits = dict(version.splits)
    if before is not None:
        # The weights may have to be downloaded, so they are compared later.
        told = about(settings, version, before.get(_WEIGHTS, ""))
        require_same(settings.out, told, before)
        del splits["test"]
    check_pictures([example for rows in splits.values() for example in rows])


def choose_checkpoints(setup: Setup) -> Checkpoints:
    """Go on with the interrupted run when that is asked for and there is one, else begin."""
    settings = setup.settings
    told = about(settings, setup.version, setup.weights_sha256())
    before = _gone_on_with(settings)
    if before is not None:
        return go_on(settings.out, told, before)
    if settings.resume:
        setup.say(f"nothing was interrupted in {settings.out}: starting anew")
    elif interrupted(settings.out) is not None:
        setup.say(f"an interrupted run in {settings.out} is given up; --resume would have gone on")
    return begin(settings.out, told)


def _gone_on_with(settings: TrainSettings) -> Mapping[str, Any] | None:
    return interrupted(settings.out) if settings.resume else None
