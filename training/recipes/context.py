"""Hold what every recipe starts from, an earlier bundle included, and what it ends with."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.reader import Bundle, open_bundle
from sceneset.checksums import file_sha256
from sceneset.errors import DamagedDataError, SettingsError
from sceneset.progress import Bars, Stopwatch
from training.data.memmap import Rows
from training.data.version import Version, picture_batches
from training.loop.history import PAUSE, Checkpoint, Epochs
from training.loop.trainer import Hyperparameters
from training.models.backbones.hub import shown_name
from training.models.backbones.table import BACKBONES, build_base
from training.models.backend import keras
from training.models.classifier import Trunk, weighted_layers
from training.models.inference import forward, load_model
from training.recipes.hyperparameters import choose_hyperparameters
from training.settings import TrainSettings

KNOWN = (
    "the model it started from learnt from another version of the data set,"
    " which may hold these test pictures"
)

SEEN = (
    "the backbone that judged them was itself trained on labels before (--from), maybe on these:"
    " it agrees with them more than it should, so wrong ones stand out less"
)


@dataclass(frozen=True)
class Start:
    """An earlier bundle that was checked, and what is taken from it.

    `inherited` says that it started from a bundle of another version itself, `saw_labels` that its
    backbone was trained too, by itself or where it started from.
    """

    bundle: Bundle
    temperature: float
    say: Callable[[str], None]
    inherited: bool = False
    saw_labels: bool = False

    def may_know(self, version_id: str) -> bool:
        """Say whether it may have been trained on test pictures of a version: on another one."""
        return self.inherited or self.bundle.record.get("dataset_version") != version_id

    def as_json(self, version_id: str) -> dict[str, object]:
        """Return what metrics.json says of it."""
        record = self.bundle.record
        return {
            "name": record.get("name"),
            "dataset_version": record.get("dataset_version"),
            "may_know_test_pictures": self.may_know(version_id),
            "backbone_saw_labels": self.saw_labels,
        }

    @cached_property
    def model(self) -> Any:  # noqa: ANN401  Keras has no types
        """Load its network."""
        return load_model(self.bundle.path("model.keras"))

    def put_base(self, base: Any) -> None:  # noqa: ANN401
        """Put its backbone's weights into a backbone of the same kind."""
        nested = [layer for layer in self.model.layers if isinstance(layer, keras.Model)]
        before = next(layer for layer in nested if layer.name != "head")
        # A network stops at its last tap; each backbone's last tap is its last layer with weights.
        pairs = zip(weighted_layers(before), weighted_layers(base), strict=True)
        try:
            for old, new in pairs:
                new.set_weights(old.get_weights())
        except ValueError as error:
            raise DamagedDataError(
                f"the backbone of {self.bundle.folder} does not fit: {error}",
                cure="--from another model, or leave it out",
            ) from error

    def put_head(self, head: Any, class_names: Sequence[str]) -> bool:  # noqa: ANN401
        """Put its head's weights into a new head; classes that it does not know stay random.

        Returns False, after saying so, when the heads are built differently.
        """
        old = [layer.get_weights() for layer in weighted_layers(self.model.get_layer("head"))]
        new = weighted_layers(head)
        drawn = [layer.get_weights() for layer in new]
        if _shapes_below_classes(old) != _shapes_below_classes(drawn):
            self.say(
                f"the head of {self.bundle.folder} is built differently: only its backbone is used"
            )
            return False
        for weights, layer in zip(old[:-1], new[:-1], strict=True):
            layer.set_weights(weights)
        kernel, bias = drawn[-1]
        known = {name: place for place, name in enumerate(self.bundle.class_names)}
        for place, name in enumerate(class_names):
            if name in known:
                kernel[:, place] = old[-1][0][:, known[name]] * self.temperature
                bias[place] = old[-1][1][known[name]] * self.temperature
        new[-1].set_weights([kernel, bias])
        return True


def read_start(
    settings: TrainSettings, version: Version, say: Callable[[str], None]
) -> Start | None:
    """Open the bundle to start from, if any, and say which classes are new and which are gone.

    Raises SettingsError when it is of another backbone or shares no class.
    """
    folder, backbone = settings.from_bundle, settings.backbone
    if folder is None:
        return None
    bundle = open_bundle(folder)
    try:
        metrics = json.loads(bundle.path("metrics.json").read_bytes())
        trained, temperature = str(metrics["backbone"]), float(metrics["temperature"])
        saw = saw_labels(metrics)
        inherited = bool((metrics.get("started_from") or {}).get("may_know_test_pictures"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(
            f"the bundle {bundle.folder} does not say how it was trained ({error})",
            cure="--from another model, or leave it out",
        ) from error
    if trained not in {backbone, shown_name(backbone)}:
        raise SettingsError(
            f"--from {folder} is a model of {trained}, not of {backbone}",
            cure=f"--backbone {trained}, or --from another model",
        )
    old, new = set(bundle.class_names), set(version.class_names)
    if not old & new:
        raise SettingsError(
            f"--from {folder} knows none of the classes of this data set",
            cure="leave --from out, or name another model",
        )
    for word, names in (("new", sorted(new - old)), ("gone", sorted(old - new))):
        if names:
            say(f"{word} since {bundle.folder}: {', '.join(names)}")
    start = Start(bundle, temperature, say, inherited, saw)
    if start.may_know(version.id):
        say(f"{KNOWN}: the figures may be too good")
    return start


def saw_labels(metrics: Mapping[str, Any]) -> bool:
    """Say whether a bundle's backbone was trained on labels, by its own training or before.

    One that does not tell of its start may have started from such a backbone.
    """
    before = metrics.get("started_from")
    inherited = before is not None and before.get("backbone_saw_labels", True)
    return bool(metrics["recipe"] == "scratch" or metrics.get("fine_tuned") or inherited)


def _shapes_below_classes(weights: Sequence[Any]) -> list[tuple[int, ...]]:
    """Return the shapes of a head's kernels, without the number of classes."""
    return [*(one[0].shape for one in weights[:-1]), weights[-1][0].shape[:1]]


def starting_sha256(weights: Path | None, start: Start | None) -> str:
    """Return the SHA-256 of the file of weights that the backbone starts from, or nothing."""
    if start is not None:
        return str(start.bundle.record["files"]["model.keras"])
    return file_sha256(weights) if weights else ""


@dataclass(frozen=True)
class Setup:
    """What every recipe starts from.

    `checkpoints` is the folder of the states of its phases; without one nothing is kept. `versions`
    asks for the ids of all versions that are there.
    """

    settings: TrainSettings
    version: Version
    weights: Path | None
    bars: Bars
    watch: Stopwatch
    checkpoints: Path | None = None
    start: Start | None = None
    versions: Callable[[], frozenset[str]] = frozenset
    say: Callable[[str], None] = lambda _line: None

    @property
    def embeddings(self) -> Path:
        """Return the folder of features, feature maps and decoded pictures."""
        return self.settings.dataset / "cache" / "embeddings"

    @cached_property
    def plan(self) -> Hyperparameters:
        """Return the recipe's values."""
        return choose_hyperparameters(self.settings, len(self.version.splits["train"]))

    @cached_property
    def weights_sha256(self) -> str:
        """Return the SHA-256 of the file of weights that the backbone starts from, or nothing."""
        return starting_sha256(self.weights, self.start)

    def trunk(self, *, multi_scale: bool) -> Trunk:
        """Build the backbone at the version's size, with the weights to start from."""
        backbone = BACKBONES[self.settings.backbone]
        base = build_base(self.settings.backbone, self.version.size, self.weights)
        if self.start is not None:
            self.start.put_base(base)
        return Trunk(base, backbone.scaling, backbone.taps if multi_scale else ())

    def epochs(self, phase: str, count: int, **options: Any) -> Epochs:  # noqa: ANN401  Epochs' own
        """Return the record of a phase's epochs, with a bar and a place for its checkpoints."""
        path = self.checkpoints / f"{phase}.npz" if self.checkpoints else None
        bar = self.bars.add("epochs", total=count)
        return Epochs(bar, checkpoint=Checkpoint(path, PAUSE), **options)


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

    `facts` are what metrics.json holds besides the plan. `features` are the rows of the training,
    then the validation pictures by a frozen backbone, float32[N, D], where the recipe has them.
    """

    recipe: str
    plan: Hyperparameters
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
