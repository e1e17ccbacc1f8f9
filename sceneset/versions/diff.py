"""Compare two published versions: what came, went, changed class or changed split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sceneset.dataset import Dataset
from sceneset.versions.published import PublishedPicture, read_pictures, read_record

SHOWN = 10
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Change:
    """One picture: class and split before and after; empty where it was not, or is no more."""

    sha256: str
    path: str
    class_before: str = ""
    class_after: str = ""
    split_before: str = ""
    split_after: str = ""


@dataclass(frozen=True)
class VersionsDiff:
    """All changes between two versions, each list sorted by class and file."""

    came: tuple[Change, ...]
    went: tuple[Change, ...]
    changed_class: tuple[Change, ...]
    changed_split: tuple[Change, ...]
    unchanged: int


def compare(before: Iterable[PublishedPicture], after: Iterable[PublishedPicture]) -> VersionsDiff:
    """Compare two versions picture by picture, by SHA-256.

    A picture may stand under several classes: those it leaves and those it enters are paired in
    order of name, and what is left over went or came.
    """
    old, new = _by_content(before), _by_content(after)
    came, went, relabelled, moved = [], [], [], []
    unchanged = 0
    for sha256 in sorted(old.keys() | new.keys()):
        left, right = old.get(sha256, {}), new.get(sha256, {})
        for name in sorted(left.keys() & right.keys()):
            if left[name].split == right[name].split:
                unchanged += 1
            else:
                moved.append(_change(left[name], right[name]))
        out = [left[name] for name in sorted(left.keys() - right.keys())]
        into = [right[name] for name in sorted(right.keys() - left.keys())]
        both = min(len(out), len(into))
        relabelled += [_change(a, b) for a, b in zip(out[:both], into[:both], strict=True)]
        went += [_change(picture, None) for picture in out[both:]]
        came += [_change(None, picture) for picture in into[both:]]
    return VersionsDiff(
        _sorted(came), _sorted(went), _sorted(relabelled), _sorted(moved), unchanged
    )


def _by_content(
    pictures: Iterable[PublishedPicture],
) -> dict[str, dict[str, PublishedPicture]]:
    found: dict[str, dict[str, PublishedPicture]] = {}
    for picture in pictures:
        found.setdefault(picture.sha256, {})[picture.class_name] = picture
    return found


def _change(before: PublishedPicture | None, after: PublishedPicture | None) -> Change:
    known = after or before
    if known is None:
        raise ValueError("a change has a picture before or after")
    return Change(
        sha256=known.sha256,
        path=known.path,
        class_before=before.class_name if before else "",
        class_after=after.class_name if after else "",
        split_before=before.split if before else "",
        split_after=after.split if after else "",
    )


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda c: (c.class_before, c.class_after, c.path)))


def diff_versions(dataset: Dataset, pair: tuple[int, int]) -> dict[str, Any]:
    """Return the difference of two published versions, by number, as plain JSON.

    Raises MissingInputError when there is no such version, DamagedDataError when one cannot be read.
    """
    folders = [dataset.version(number) for number in pair]
    pictures = [read_pictures(folder) for folder in folders]
    records = [read_record(folder) or {} for folder in folders]
    changes = compare(*pictures)
    return {
        "from": _side(pair[0], records[0], pictures[0]),
        "to": _side(pair[1], records[1], pictures[1]),
        "counts": {
            "came": len(changes.came),
            "went": len(changes.went),
            "changed_class": len(changes.changed_class),
            "changed_split": len(changes.changed_split),
            "unchanged": changes.unchanged,
        },
        "classes": _classes(*(_kind(record, "class_names", list) for record in records)),
        "settings": _settings(*(_kind(record, "settings", dict) for record in records)),
        "came": [_one(c, "after") for c in changes.came],
        "went": [_one(c, "before") for c in changes.went],
        "changed_class": [_both(c) for c in changes.changed_class],
        "changed_split": [_both(c) for c in changes.changed_split],
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


def _one(change: Change, when: str) -> dict[str, str]:
    return {
        "sha256": change.sha256,
        "path": change.path,
        "class": getattr(change, f"class_{when}"),
        "split": getattr(change, f"split_{when}"),
    }


def _both(change: Change) -> dict[str, Any]:
    return {
        "sha256": change.sha256,
        "path": change.path,
        "class": [change.class_before, change.class_after],
        "split": [change.split_before, change.split_after],
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
