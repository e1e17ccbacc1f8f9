"""Hold what every recipe starts from, and what it ends with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.checksums import file_sha256
from pipeline.progress import Bar, Bars, Stopwatch
from training.backbones import BACKBONES, build_base
from training.checkpoint import Checkpoints
from training.epochs import Epochs
from training.network import Trunk, forward
from training.pictures import Version, picture_batches
from training.plans import Plan, make_plan
from training.rows import Rows
from training.settings import TrainSettings
from training.start import Start


def _silent(_line: str) -> None:
    """Say nothing."""


def _no_versions() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Setup:
    """What every recipe starts from. `versions` asks for the ids of all versions that are there."""

    settings: TrainSettings
    version: Version
    weights: Path | None
    bars: Bars
    watch: Stopwatch
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    start: Start | None = None
    versions: Callable[[], frozenset[str]] = _no_versions
    say: Callable[[str], None] = _silent

    @property
    def cache(self) -> Path:
        """Return the folder of what can be computed again."""
        return self.settings.dataset / "cache"

    @property
    def embeddings(self) -> Path:
        """Return the folder of features, feature maps and decoded pictures."""
        return self.cache / "embeddings"

    def plan(self, recipe: str) -> Plan:
        """Return a recipe's values."""
        return make_plan(self.settings, recipe, len(self.version.splits["train"]))

    def trunk(self, *, multi_scale: bool) -> Trunk:
        """Build the backbone at the version's size, with the weights to start from."""
        backbone = BACKBONES[self.settings.backbone]
        base = build_base(self.settings.backbone, self.version.size, self.weights)
        if self.start is not None:
            self.start.put_base(base)
        return Trunk(base, backbone.scaling, backbone.taps if multi_scale else ())

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the file of weights that the backbone starts from, or nothing."""
        if self.start is not None:
            return self.start.sha256
        return file_sha256(self.weights) if self.weights else ""

    def epochs(self, phase: str, count: int, **options: Any) -> Epochs:  # noqa: ANN401  Epochs' own
        """Return the record of a phase's epochs, with a bar and a place for its checkpoints."""
        checkpoint = self.checkpoints.phase(phase)
        return Epochs(self.bars.add("epochs", total=count), checkpoint=checkpoint, **options)

    def bar(self, name: str) -> Callable[[int], Bar]:
        """Return what shows a bar once its length is known."""
        return lambda total: self.bars.add(name, total=total)


@dataclass(frozen=True)
class Phase:
    """What metrics.json, report and card tell of one training: planned epochs, and those run."""

    name: str
    epochs: int
    batch_size: int
    epochs_run: int
    epoch_kept: int
    curves: Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Trained:
    """What a recipe made: pictures 0..255 -> logits, and the logits of the validation pictures.

    `epochs` are those of the training that the network comes from, `head` those of a head that was
    trained alone before, `fine_tune` those of a backbone's training, kept or not.

    `facts` are what metrics.json tells beside the plan. `features` are the rows of the training,
    then the validation pictures by a frozen backbone, float32[N, D], where the recipe has them.
    """

    recipe: str
    plan: Plan
    network: Any
    val_logits: NDArray[np.float64]
    epochs: Epochs
    facts: Mapping[str, Any] = field(default_factory=dict)
    features: Rows | None = None
    fine_tune: Epochs | None = None
    head: Epochs | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return every training with its own plan, in the order they ran."""
        plan, first = self.plan, self.head or self.epochs
        name = self.recipe if self.head is None and self.fine_tune is None else "head"
        phases = [_phase(name, plan.epochs, plan.batch_size, first)]
        if self.fine_tune is not None:
            tuned = (plan.fine_tune_epochs, plan.fine_tune_batch, self.fine_tune)
            phases.append(_phase("fine-tune", *tuned))
        return tuple(phases)

    @property
    def kept_phase(self) -> Phase:
        """Return the training that the network comes from."""
        return self.phases[-1 if self.epochs is self.fine_tune else 0]


def _phase(name: str, planned: int, batch_size: int, epochs: Epochs) -> Phase:
    return Phase(name, planned, batch_size, len(epochs.curves), epochs.kept, epochs.curves)


def val_logits(network: Any, version: Version) -> NDArray[np.float64]:  # noqa: ANN401  Keras has no types
    """Return the logits of the validation pictures, float64[N, classes], by the network itself."""
    run = forward(network)
    batches = picture_batches(version.paths("val"), version.size, version.fit)
    rows = [run(batch) for batch in batches]
    empty = np.empty((0, len(version.class_names)))
    return np.concatenate([empty, *rows]).astype(np.float64)
