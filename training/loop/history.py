"""Record the epochs of a training: curves, the best one, and the state a killed run goes on from."""

import errno
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sceneset.atomic import write_file
from sceneset.errors import SettingsError, UsageError, disk_errno, first_line
from sceneset.progress import Bar
from training.models.backend import tf

FOLDER = ".training"
PAUSE = 2.0
_RUN = "run.json"
_FACTS = "facts"


@dataclass(frozen=True)
class State:
    """What a phase of training is after an epoch: plain values, and lists of arrays by name."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, Sequence[NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """One phase's state on disk; without a path nothing is kept.

    Quick epochs save at most every `pause` seconds: a save of a head takes as long as an epoch.
    """

    path: Path | None = None
    pause: float = 0.0

    def load(self) -> State | None:
        """Return what was saved last, or None."""
        if self.path is None:
            return None
        try:
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                facts = json.loads(bytes(file[_FACTS]))
                arrays = {
                    name: [file[f"{name}-{k}"] for k in range(count)]
                    for name, count in facts.pop("counts").items()
                }
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        return State(facts, arrays)

    def save(self, state: State) -> None:
        """Replace what was saved before. Raises OSError when the disk is full."""
        if self.path is None:
            return
        counts = {name: len(rows) for name, rows in state.arrays.items()}
        facts = json.dumps({**state.facts, "counts": counts}).encode()
        named = {f"{n}-{k}": row for n, rows in state.arrays.items() for k, row in enumerate(rows)}
        buffer = io.BytesIO()
        named[_FACTS] = np.frombuffer(facts, np.uint8)
        np.savez(buffer, allow_pickle=False, **named)
        write_file(self.path, buffer.getvalue())


def begin_run(out: Path, facts: Mapping[str, Any]) -> Path:
    """Note what this run is in a model's folder, in place of an interrupted one.

    Returns the folder of its states.
    """
    forget_run(out)
    write_file(out / FOLDER / _RUN, json.dumps(facts, indent=1).encode())
    return out / FOLDER


def forget_run(out: Path) -> None:
    """Remove the states of a run: it is published, or given up."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def interrupted_run(out: Path) -> dict[str, Any] | None:
    """Return what an interrupted run in a model's folder noted of itself, or None."""
    try:
        facts = json.loads((out / FOLDER / _RUN).read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def require_same(out: Path, facts: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise UsageError naming what the interrupted run in a model's folder had otherwise."""
    for name in sorted({*facts, *before}):
        was, now = before.get(name), facts.get(name)
        if was != now:
            raise UsageError(
                f"the interrupted run in {out} had {name} {_shown(was)}, this one has {_shown(now)}",
                cure="give the same settings and data set, or leave --resume out to start anew",
            )


def _shown(value: object) -> str:
    text = "the recipe's own" if value is None else str(value)
    return text[:16] if len(text) == 64 else text  # noqa: PLR2004  a SHA-256


class DivergedError(SettingsError):
    """The loss was not finite before an epoch was over."""


@dataclass
class Epochs:
    """What the epochs of one run showed, and the weights of the best.

    The best epoch has the highest validation accuracy, of equals the lowest loss. Without
    validation pictures, or with `keep_best` off, the last epoch stays. An epoch in which the loss
    was not finite is never kept. `cure` is the option to try when that happens.
    """

    bar: Bar
    keep_best: bool = True
    patience: int | None = None
    cure: str = "--learning-rate 0.0001 or less"
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    curves: list[dict[str, float]] = field(default_factory=list)
    kept: int = 0
    diverged: str = ""
    stopped: bool = False
    _rank: tuple[float, float] | None = None
    _weights: list[Any] = field(default_factory=list)

    def see(self, model: Any, logs: Mapping[str, float]) -> None:  # noqa: ANN401  Keras has no types
        """Take in an epoch that ended: its logs and the model as it is now."""
        self.curves.append({name: float(value) for name, value in logs.items()})
        self.bar.advance(note=f"loss {logs['loss']:.3f}")
        if not (self.keep_best and "val_accuracy" in logs):
            self._keep(model)
            return
        rank = (logs["val_accuracy"], -logs["val_loss"])
        if self._rank is None or rank > self._rank:
            self._rank = rank
            self._keep(model)
        elif self.patience is not None and len(self.curves) - self.kept >= self.patience:
            self.stopped = model.stop_training = True

    def restore(self, model: Any) -> None:  # noqa: ANN401
        """Put the kept epoch's weights back into the model.

        Raises DivergedError when training broke off before there was one.
        """
        if self.diverged and not self._weights:
            raise DivergedError(f"{self.diverged}, before an epoch was over", cure=self.cure)
        if self._weights:
            model.set_weights(self._weights)

    def save(self, arrays: Mapping[str, Sequence[Any]], **facts: object) -> None:
        """Save everything that going on needs to know: the arrays and facts of what trains too."""
        own = {
            "curves": self.curves,
            "kept": self.kept,
            "rank": self._rank,
            "stopped": self.stopped,
        }
        self.checkpoint.save(State({**own, **facts}, {"kept": self._weights, **arrays}))

    def resume(self) -> State | None:
        """Go on from what was saved last, if anything was, and return it."""
        saved = self.checkpoint.load()
        if saved is not None:
            self.curves = list(saved.facts["curves"])
            self.kept, self.stopped = saved.facts["kept"], saved.facts["stopped"]
            rank = saved.facts["rank"]
            self._rank = None if rank is None else (rank[0], rank[1])
            self._weights = list(saved.arrays["kept"])
            self.bar.advance(len(self.curves))
        return saved

    def break_off(self, step: int, what: str = "loss") -> None:
        """Note the step, counted from 1, at which the loss was not finite, or the weights after."""
        epoch = len(self.curves) + 1
        self.diverged = f"the {what} was no number at step {step} of epoch {epoch}"

    def _keep(self, model: Any) -> None:  # noqa: ANN401
        self.kept = len(self.curves)
        self._weights = model.get_weights()


def write_logs(
    folder: Path, curves: Sequence[Mapping[str, float]], test: Mapping[str, float | None]
) -> None:
    """Write event files below folder/train, /validation and /test; steps count epochs from 1.

    Raises OSError when the folder cannot be written.
    """
    parts: dict[str, list[tuple[str, float, int]]] = {"train": [], "validation": [], "test": []}
    for epoch, logs in enumerate(curves, start=1):
        for name, value in logs.items():
            part = "validation" if name.startswith("val_") else "train"
            parts[part].append((name.removeprefix("val_"), value, epoch))
    measured = {name: figure for name, figure in test.items() if figure is not None}
    parts["test"] = [(name, figure, len(curves)) for name, figure in measured.items()]
    for part, values in parts.items():
        if values:
            try:
                _write(folder / part, values)
            except tf.errors.OpError as error:
                code = disk_errno(str(error)) or errno.EACCES
                raise OSError(code, first_line(error), str(folder / part)) from error


def _write(folder: Path, values: Sequence[tuple[str, float, int]]) -> None:
    """Write scalars (name, value, step); `tf.summary.scalar` would import the viewer."""
    about = tf.compat.v1.SummaryMetadata()
    about.plugin_data.plugin_name = "scalars"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value, step in values:
            tensor = tf.constant(value, tf.float32)
            tf.summary.write(name, tensor, step=step, metadata=about.SerializeToString())
    writer.close()
