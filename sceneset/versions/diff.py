"""Compare two published versions: what came, went, changed class or changed split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sceneset.dataset import Dataset
from sceneset.versions.published import PublishedPicture, read_pictures, read_record

SHOWN = 10
Kind = TypeVar("Kind")
Pair = tuple[PublishedPicture, PublishedPicture]


@dataclass(frozen=True)
class VersionsDiff:
    """All changes between two versions, sorted by class and file; pairs are before and after."""

    came: list[PublishedPicture]
    went: list[PublishedPicture]
    changed_class: list[Pair]
    changed_split: list[Pair]
    unchanged: int


def compare(before: Iterable[PublishedPicture], after: Iterable[PublishedPicture]) -> VersionsDiff:
    """Compare two versions picture by picture, by SHA-256.

    A picture may stand under several classes: those it leaves and those it enters are paired in
    order of name, and what is left over went or came.
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
    return VersionsDiff(
        came=sorted(came, key=_place),
        went=sorted(went, key=_place),
        changed_class=sorted(relabelled, key=_places),
        changed_split=sorted(moved, key=_places),
        unchanged=len(kept) - len(moved),
    )


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
    folders = [dataset.version(number) for number in pair]
    pictures = [read_pictures(folder) for folder in folders]
    records = [read_record(folder) or {} for folder in folders]
    diff = compare(*pictures)
    changes: dict[str, list[Any]] = {
        "came": [_one(picture) for picture in diff.came],
        "went": [_one(picture) for picture in diff.went],
        "changed_class": [_both(*change) for change in diff.changed_class],
        "changed_split": [_both(*change) for change in diff.changed_split],
    }
    return {
        "from": _side(pair[0], records[0], pictures[0]),
        "to": _side(pair[1], records[1], pictures[1]),
        "counts": {k: len(v) for k, v in changes.items()} | {"unchanged": diff.unchanged},
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
