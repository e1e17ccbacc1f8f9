"""Look for pictures worth a second look after a training, and put them up for review."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.manifest import Manifest
from pipeline.rows import SuspectKind, SuspectRow
from training.setup import Setup, Trained
from training.suspects import Suspect, opinion, suspects


@dataclass(frozen=True)
class Doubt:
    """One picture worth a look: its file, SHA-256, class, why, how much, and what fits better."""

    path: Path
    sha256: str
    class_name: str
    kind: SuspectKind
    score: float
    other: str | None

    def as_json(self) -> dict[str, object]:
        """Return what metrics.json holds of it, without the file."""
        return {key: value for key, value in vars(self).items() if key != "path"}


def find_doubts(setup: Setup, trained: Trained) -> list[Doubt]:
    """Judge training and validation pictures by their embeddings; [] where there are none.

    The features of a network that was trained on these labels would agree with them, so only those
    of a frozen backbone count.
    """
    rows = trained.features
    if rows is None or not setup.settings.suspects:
        return []
    version = setup.version
    examples = (*version.splits["train"], *version.splits["val"])
    labels = np.array([example.label for example in examples], np.int64)
    names = [example.group or f"{place}" for place, example in enumerate(examples)]
    groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
    with setup.watch.step("suspects"):
        embeddings = rows.take(np.arange(len(examples)))
        found = suspects(opinion(embeddings, labels, groups, len(version.class_names)), labels)

    def doubt(one: Suspect) -> Doubt:
        example = examples[one.row]
        other = None if one.other is None else version.class_names[one.other]
        name = version.class_names[example.label]
        return Doubt(example.path, example.sha256, name, one.kind, round(one.score, 4), other)

    return [doubt(one) for one in found]


def doubts_told(doubts: Sequence[Doubt], note: str = "") -> list[str]:
    """Return the lines for the terminal, or none; `note` says what they are to be taken with."""
    if not (doubts or note):
        return []
    labels = sum(one.kind == "label" for one in doubts)
    outliers = len(doubts) - labels
    told = f"worth a second look: {labels} labels, {outliers} outliers (see the report)"
    return [told, *([f"of these: {note}"] if note else [])]


def store_doubts(manifest_path: Path, run_id: int, doubts: Sequence[Doubt]) -> None:
    """Replace what is up for review in the manifest; pictures it no longer holds are left out."""
    with Manifest(manifest_path) as manifest:
        ids = {row.name: row.id for row in manifest.classes()}
        rows = [
            SuspectRow(
                run_id,
                ids[one.class_name],
                one.sha256,
                one.kind,
                one.score,
                ids.get(one.other or ""),
            )
            for one in doubts
            if one.class_name in ids
        ]
        manifest.replace_suspects(rows)
