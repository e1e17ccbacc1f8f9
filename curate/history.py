"""Tell where pictures stood in the runs before, so that they stay there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from curate.conflicts import Key
from curate.features import algorithms
from curate.settings import CurateSettings
from pipeline.manifest import Manifest
from pipeline.rows import RunRow, Split

_ASSIGNS_ANEW = ("seed", "split")
_PARTS_CHAINS = ("radius", "leak_radius", "views")
# A run that failed or was killed has published nothing that must stay where it was.
_PUBLISHED = {"published", "unchanged"}


class Stood(NamedTuple):
    """The split of a picture of a class in the last run that published it."""

    run_id: int
    split: Split


def never(_first: str, _second: str) -> bool:
    """Say that no run has parted two pictures."""
    return False


@dataclass(frozen=True)
class Before:
    """Where pictures stood, those absent since included.

    `sticky` is False when --seed or --split changed: every picture is assigned anew then.
    `parted` says whether a run that linked pictures as this one does published two of them (by
    SHA-256) in different splits.
    """

    stood: Mapping[Key, Stood]
    sticky: bool = True
    parted: Callable[[str, str], bool] = never


def before(manifest: Manifest, settings: CurateSettings) -> Before:
    """Return where pictures stood since --seed and --split last changed."""
    runs = [run for run in manifest.runs("curate") if run.outcome in _PUBLISHED]
    if not runs:
        return Before({})
    newest = runs[-1].settings
    recent = list(takewhile(lambda run: _agree(run.settings, newest, _ASSIGNS_ANEW), runs[::-1]))
    rows = manifest.last_splits([run.id for run in recent])
    return Before(
        stood={(row.class_id, row.sha256): Stood(row.run_id, row.split) for row in rows},
        sticky=_agree(newest, settings.shaping, _ASSIGNS_ANEW),
        parted=_parted(manifest, recent, settings),
    )


def _agree(one: Mapping[str, object], other: Mapping[str, object], names: Sequence[str]) -> bool:
    return all(one.get(name) == other.get(name) for name in names)


def _parted(
    manifest: Manifest, runs: Sequence[RunRow], settings: CurateSettings
) -> Callable[[str, str], bool]:
    hashed = algorithms(exact=settings.exact_hash)["phash"]
    alike = [
        run.id
        for run in runs
        if _agree(run.settings, settings.shaping, _PARTS_CHAINS)
        and run.versions.get("phash") == hashed
    ]

    def parted(first: str, second: str) -> bool:
        one, other = (manifest.splits_of(sha256, alike) for sha256 in (first, second))
        return any(other.get(run_id, split) != split for run_id, split in one.items())

    return parted
