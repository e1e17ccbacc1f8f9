"""State what `train` and `evaluate` can be told, with the defaults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cyclopts import Parameter

from pipeline.dataset import DEFAULT_ROOT
from pipeline.errors import SettingsError
from pipeline.rows import Split

DEFAULT_MODEL = Path("models/scenes")
BackboneName = Literal["mobilenet_v2", "small"]
RecipeName = Literal["fast", "original"]


class Plan(NamedTuple):
    """How long a recipe trains and on how many pictures a step."""

    epochs: int
    batch_size: int


PLANS = {"fast": Plan(25, 128), "original": Plan(25, 128), "scratch": Plan(30, 16)}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What to train on which pictures, and how."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder; its newest published version is used, at the size it was published."""
    out: Path = DEFAULT_MODEL
    """The model's folder; each run publishes a numbered bundle in it."""
    backbone: BackboneName = "mobilenet_v2"
    """The network below the head. `small` has no pretrained weights: it trains from scratch."""
    weights: str = "imagenet"
    """Where the backbone starts: `imagenet` (downloaded once), the path of a Keras .h5 without its
    top, or `none`: the whole network then trains from scratch whatever the recipe."""
    recipe: RecipeName = "fast"
    """`fast` embeds each picture once, trains the head on that and keeps the best validation epoch;
    `original` passes every picture through the frozen backbone in every epoch and keeps the last.
    Without pretrained weights both mean: from scratch, mirrored at random, stopped early."""
    epochs: int | None = None
    """Passes over the training pictures; by default 25, from scratch 30 or fewer."""
    batch_size: int | None = None
    """Pictures in one training step; by default 128, from scratch 16."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    seed: int = 0
    """Seed of initial weights, dropout and order."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for flag, value in (("--epochs", self.epochs), ("--batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise SettingsError(f"{flag} is {value}", cure=f"give {flag} 1 or more")
        if not 0 < self.learning_rate < 1:
            raise SettingsError(
                f"--learning-rate is {self.learning_rate}",
                cure="give a value between 0 and 1, such as 0.001",
            )
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"--seed is {self.seed}", cure="give a value from 0 to 4294967295")

    def plan(self, recipe: str) -> Plan:
        """Return epochs and batch size: the recipe's own where none are asked for."""
        own = PLANS[recipe]
        return Plan(self.epochs or own.epochs, self.batch_size or own.batch_size)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Which bundle to measure, and on which pictures."""

    model: Path = DEFAULT_MODEL
    """The model's folder, or one of the numbered bundles in it."""
    dataset: Path = DEFAULT_ROOT
    """The data set's folder."""
    split: Split = "test"
    """Which split of the newest published version."""
    folder: Path | None = None
    """Measure on this folder instead: one subfolder per class, by display name or folder name."""
