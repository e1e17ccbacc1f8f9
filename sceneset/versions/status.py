"""Count what a data set holds, and compare two of its published versions."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import DamagedDataError
from sceneset.manifest.rows import SPLITS, STATUSES, Status
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.published import PublishedPicture, read_pictures, read_record


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
            "splits": {
                split: sum(by.get(split, 0) for by in data["counts"].values()) for split in SPLITS
            },
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDataError(
            f"{record} cannot be read: {error}",
            cure="remove that version's folder, then run sceneset curate",
        ) from error


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


SHOWN = 10
Kind = TypeVar("Kind")
Pair = tuple[PublishedPicture, PublishedPicture]


def compare(
    before: Iterable[PublishedPicture], after: Iterable[PublishedPicture]
) -> tuple[dict[str, list[Any]], int]:
    """Return the changes of two versions by their kind, sorted by class and file; how many have none.

    Pictures are compared by SHA-256. One may stand under several classes: those it leaves and those
    it enters are paired in order of name, and what is left over went or came.
    """
    old, new = _by_content(before), _by_content(after)
    came: list[PublishedPicture] = []
    went: list[PublishedPicture] = []
    relabelled: list[Pair] = []
    kept: list[Pair] = []
    for sha256 in old.keys() | new.keys():
        left, right = old.get(sha256, {}), new.get(sha256, {})
        kept += [(left[name], right[name]) for name in left.keys() & right.keys()]
        left_only = [left[name] for name in sorted(left.keys() - right.keys())]
        right_only = [right[name] for name in sorted(right.keys() - left.keys())]
        relabelled += zip(left_only, right_only, strict=False)
        went += left_only[len(right_only) :]
        came += right_only[len(left_only) :]
    moved = [(one, other) for one, other in kept if one.split != other.split]
    changes: dict[str, list[Any]] = {
        "came": [_one(picture) for picture in sorted(came, key=_place)],
        "went": [_one(picture) for picture in sorted(went, key=_place)],
        "changed_class": [_both(*pair) for pair in sorted(relabelled, key=_places)],
        "changed_split": [_both(*pair) for pair in sorted(moved, key=_places)],
    }
    return changes, len(kept) - len(moved)


def _by_content(pictures: Iterable[PublishedPicture]) -> dict[str, dict[str, PublishedPicture]]:
    """Return SHA-256 -> class name -> picture."""
    grouped: dict[str, dict[str, PublishedPicture]] = defaultdict(dict)
    for picture in pictures:
        grouped[picture.sha256][picture.class_name] = picture
    return grouped


def _place(picture: PublishedPicture) -> tuple[str, str]:
    return picture.class_name, picture.path


def _places(pair: Pair) -> tuple[str, str, str]:
    return pair[0].class_name, *_place(pair[1])


def diff_versions(dataset: Dataset, pair: tuple[int, int]) -> dict[str, Any]:
    """Return the difference of two published versions, by number, as plain JSON.

    Raises MissingInputError when there is no such version, DamagedDataError when one cannot be read.
    """
    folders = [dataset.version(number, named=len(pair)) for number in pair]
    pictures = [read_pictures(folder) for folder in folders]
    records = [read_record(folder) or {} for folder in folders]
    changes, unchanged = compare(*pictures)
    return {
        "from": _side(pair[0], records[0], pictures[0]),
        "to": _side(pair[1], records[1], pictures[1]),
        "counts": {k: len(v) for k, v in changes.items()} | {"unchanged": unchanged},
        "classes": _classes(*(_kind(record, "class_names", list) for record in records)),
        "settings": _settings(*(_kind(record, "settings", dict) for record in records)),
        **changes,
    }


def _side(
    number: int, record: Mapping[str, Any], pictures: Sequence[PublishedPicture]
) -> dict[str, Any]:
    return {"number": number, "version": str(record.get("version", "")), "pictures": len(pictures)}


def _kind(record: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """Return an entry of dataset.json, empty when it is missing or of another kind."""
    value = record.get(name)
    return value if isinstance(value, kind) else kind()


def _classes(before: Sequence[str], after: Sequence[str]) -> dict[str, list[str]]:
    """Return the classes that came and went, and those of both whose label is another now."""
    both = [name for name in after if name in before]
    return {
        "came": [name for name in after if name not in before],
        "went": [name for name in before if name not in after],
        "renumbered": [name for name in both if before.index(name) != after.index(name)],
    }


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = sorted(before.keys() | after.keys())
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _one(picture: PublishedPicture) -> dict[str, str]:
    return {
        "sha256": picture.sha256,
        "path": picture.path,
        "class": picture.class_name,
        "split": picture.split,
    }


def _both(before: PublishedPicture, after: PublishedPicture) -> dict[str, Any]:
    return {
        "sha256": after.sha256,
        "path": after.path,
        "class": [before.class_name, after.class_name],
        "split": [before.split, after.split],
    }


def diff_lines(diff: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the difference for people: numbers, then names, long lists cut."""
    first, second, counts = diff["from"], diff["to"], diff["counts"]
    lines = [
        f"version {first['number']} ({first['version'][:12]}): {first['pictures']} pictures",
        f"version {second['number']} ({second['version'][:12]}): {second['pictures']} pictures",
        ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items()),
    ]
    for what, names in diff["classes"].items():
        if names:
            lines.append(f"classes {what}: {', '.join(names)}")
    for name, (before, after) in diff["settings"].items():
        lines.append(f"setting {name}: {before} -> {after}")
    for what in ("came", "went", "changed_class", "changed_split"):
        lines += _named(what.replace("_", " "), diff[what])
    return tuple(lines)


def _named(what: str, changes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not changes:
        return []
    shown = [f"  {change['path']}{_arrow(change)}" for change in changes[:SHOWN]]
    more = len(changes) - SHOWN
    return [f"{what}:", *shown, *([f"  ... and {more} more (--json has all)"] if more > 0 else [])]


def _arrow(change: Mapping[str, Any]) -> str:
    if isinstance(change["class"], str):
        return ""
    moves = [
        f"{before} -> {after}"
        for before, after in (change["class"], change["split"])
        if before != after
    ]
    return f"  ({', '.join(moves)})"
