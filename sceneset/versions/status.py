"""Count what a data set holds: sightings by class and status, the published version, the runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import DamagedDataError
from sceneset.manifest.rows import SPLITS, STATUSES, Status
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.diff import diff_lines, diff_versions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class StatusSettings(DatasetSettings):
    """Which data set to look at, and whether to compare two of its versions."""

    diff: Annotated[tuple[int, int] | None, Parameter(negative="")] = None
    """Two published versions, by number: list what came, went, changed class or split."""


_DEFAULTS = StatusSettings()


def status(*, settings: StatusSettings = _DEFAULTS, output: Output = Output()) -> Outcome:  # noqa: ARG001
    """Count what a data set holds, or compare two published versions."""
    dataset = Dataset.open(settings.dataset)
    if settings.diff is not None:
        diff = {"dataset": str(dataset.root), **diff_versions(dataset, settings.diff)}
        return Outcome(diff, diff_lines(diff))
    classes = dataset.counts()
    with Manifest(dataset.manifest_path) as manifest:
        pictures = len(manifest.images())
        runs = [
            {"stage": run.stage, "started_at": run.started_at, "outcome": run.outcome or "killed"}
            for run in manifest.runs()
        ]
    version = published(dataset)
    summary = {
        "dataset": str(dataset.root),
        "classes": classes,
        "pictures": pictures,
        "kept": sum(c["kept"] for c in classes.values()),
        "published": version,
        "runs": runs,
    }
    return Outcome(summary, tuple(_lines(classes, pictures, version, runs)))


def published(dataset: Dataset) -> dict[str, Any] | None:
    """Return number, version id and counts of the published version, or None."""
    record, number = dataset.current / "dataset.json", dataset.current_number
    if number is None or not record.is_file():
        return None
    try:
        data = json.loads(record.read_text(encoding="utf-8"))
        return {
            "number": number,
            "version": data["version"],
            "splits": split_totals(data["counts"]),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(
            f"{record} cannot be read: {error}",
            cure="remove that version's folder, then run sceneset curate",
        ) from error


def split_totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    """Add up class -> split -> number to split -> number."""
    return {split: sum(by.get(split, 0) for by in counts.values()) for split in SPLITS}


def _lines(
    classes: Mapping[str, Mapping[Status, int]],
    pictures: int,
    version: dict[str, Any] | None,
    runs: list[dict[str, str]],
) -> list[str]:
    width = max([len(name) for name in classes] + [5])
    lines = [f"{'class':{width}}" + "".join(f"{s:>11}" for s in STATUSES)]
    lines += [
        f"{name:{width}}" + "".join(f"{counts[s]:>11}" for s in STATUSES)
        for name, counts in classes.items()
    ]
    total = {s: sum(c[s] for c in classes.values()) for s in STATUSES}
    lines.append(f"{'all':{width}}" + "".join(f"{total[s]:>11}" for s in STATUSES))
    lines.append(f"{pictures} picture files in raw/")
    if version is None:
        lines.append("nothing published yet: sceneset curate")
    else:
        shares = ", ".join(f"{n} {split}" for split, n in version["splits"].items())
        lines.append(
            f"published: version {version['number']} ({version['version'][:12]}): {shares}"
        )
    lines += [f"{run['started_at']}  {run['stage']}: {run['outcome']}" for run in runs[-5:]]
    return lines
