"""Keep a training's state after each epoch, so that a killed run goes on from there."""

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
from sceneset.errors import UsageError

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


@dataclass(frozen=True)
class Checkpoints:
    """The folder of an unfinished run's states; without a folder nothing is kept."""

    folder: Path | None = None

    def phase(self, name: str) -> Checkpoint:
        """Return the place of one phase's state."""
        return Checkpoint(self.folder / f"{name}.npz" if self.folder else None, PAUSE)

    def remove(self) -> None:
        """Forget the run: it is published."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def begin_run(out: Path, facts: Mapping[str, Any]) -> Checkpoints:
    """Forget what an interrupted run left in a model's folder, and note what this run is."""
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    write_file(folder / _RUN, json.dumps(facts, indent=1).encode())
    return Checkpoints(folder)


def interrupted_run(out: Path) -> dict[str, Any] | None:
    """Return what an interrupted run in a model's folder noted of itself, or None."""
    try:
        facts = json.loads((out / FOLDER / _RUN).read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def resume_run(out: Path, facts: Mapping[str, Any], before: Mapping[str, Any]) -> Checkpoints:
    """Return an interrupted run's states. Raises UsageError when it was another run than this."""
    require_same(out, facts, before)
    return Checkpoints(out / FOLDER)


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
