"""Start from an earlier bundle: its backbone, and its head with the classes matched by name."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.bundle import Bundle, open_bundle
from pipeline.errors import DamagedDataError, SettingsError
from training.answers import load_model
from training.backend import load_backend
from training.head import dense_layers

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
    recipe: str
    temperature: float
    say: Callable[[str], None]
    inherited: bool = False
    saw_labels: bool = False

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of its model.keras."""
        return str(self.bundle.record["files"]["model.keras"])

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
        keras = load_backend().keras
        nested = [layer for layer in self.model.layers if isinstance(layer, keras.Model)]
        before = next(layer for layer in nested if layer.name != "head").layers
        # A network stops at its last tap; each backbone's last tap is its last layer with weights.
        pairs = zip(_with_weights(before), _with_weights(base.layers), strict=True)
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
        old = [layer.get_weights() for layer in dense_layers(self.model.get_layer("head"))]
        new = dense_layers(head)
        fits = len(old) == len(new) and all(
            was[0].shape == layer.kernel.shape
            for was, layer in zip(old[:-1], new[:-1], strict=True)
        )
        if not fits or old[-1][0].shape[0] != new[-1].kernel.shape[0]:
            self.say(
                f"the head of {self.bundle.folder} is built differently: only its backbone is used"
            )
            return False
        for weights, layer in zip(old[:-1], new[:-1], strict=True):
            layer.set_weights(weights)
        kernel, bias = new[-1].get_weights()
        known = {name: place for place, name in enumerate(self.bundle.class_names)}
        for place, name in enumerate(class_names):
            if name in known:
                kernel[:, place] = old[-1][0][:, known[name]] * self.temperature
                bias[place] = old[-1][1][known[name]] * self.temperature
        new[-1].set_weights([kernel, bias])
        return True


def read_start(
    folder: Path, backbone: str, class_names: Sequence[str], say: Callable[[str], None]
) -> Start:
    """Open a bundle to start from, and say which classes are new and which are gone.

    Raises SettingsError when it is of another backbone or shares no class.
    """
    bundle = open_bundle(folder)
    try:
        metrics = json.loads(bundle.path("metrics.json").read_bytes())
        found, recipe = str(metrics["backbone"]), str(metrics["recipe"])
        temperature = float(metrics["temperature"])
        inherited = bool((metrics.get("started_from") or {}).get("may_know_test_pictures"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(
            f"the bundle {bundle.folder} does not say how it was trained ({error})",
            cure="--from another model, or leave it out",
        ) from error
    if found != backbone:
        raise SettingsError(
            f"--from {folder} is a model of {found}, not of {backbone}",
            cure=f"--backbone {found}, or --from another model",
        )
    old, new = set(bundle.class_names), set(class_names)
    if not old & new:
        raise SettingsError(
            f"--from {folder} knows none of the classes of this data set",
            cure="leave --from out, or name another model",
        )
    for word, names in (("new", sorted(new - old)), ("gone", sorted(old - new))):
        if names:
            say(f"{word} since {bundle.folder}: {', '.join(names)}")
    return Start(bundle, recipe, temperature, say, inherited, saw_labels(metrics))


def saw_labels(metrics: Mapping[str, Any]) -> bool:
    """Say whether a bundle's backbone was trained on labels, by its own training or before.

    One that does not tell of its start may have started from such a backbone.
    """
    before = metrics.get("started_from")
    inherited = before is not None and before.get("backbone_saw_labels", True)
    return bool(metrics["recipe"] == "scratch" or metrics.get("fine_tuned") or inherited)


def _with_weights(layers: Sequence[Any]) -> list[Any]:
    return [layer for layer in layers if layer.get_weights()]
