"""Describe a version anew from which pictures were taken out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.class_list import label_order
from pipeline.published import PublishedPicture, split_counts, version_id

BEFORE = "versions_before"


def labelled(pictures: Sequence[PublishedPicture]) -> list[PublishedPicture]:
    """Renumber the classes: one of which nothing is left is no class any more."""
    names = label_order({p.class_name for p in pictures})
    return [replace(p, label=names.index(p.class_name)) for p in pictures]


def reduced(
    record: Mapping[str, Any],
    left: Sequence[PublishedPicture],
    removed: int,
    drops: Counter[str] | None,
) -> dict[str, Any]:
    """Return a version's record without the pictures that went."""
    names = list(label_order({p.class_name for p in left}))
    dropped = dict(sorted(drops.items())) if drops is not None else _counts(record.get("dropped"))
    earlier = _forgotten(record).get("pictures")
    return {
        **record,
        "version": version_id(left),
        "class_names": names,
        "folders": {n: f for n, f in _mapping(record.get("folders")).items() if n in names},
        "counts": split_counts(left, names),
        "images": len(left) + sum(dropped.values()),
        "kept": len(left),
        "dropped": dropped,
        "forgotten": {
            "pictures": (earlier if isinstance(earlier, int) else 0) + removed,
            BEFORE: [*ids_before(record), record.get("version", "")],
        },
    }


def ids_before(record: Mapping[str, Any]) -> list[str]:
    """Return the ids that a version had before pictures were taken out, oldest first."""
    before = _forgotten(record).get(BEFORE)
    return list(map(str, before)) if isinstance(before, list) else []


def _forgotten(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says was forgotten before, or nothing when it says so in no known way."""
    return _mapping(record.get("forgotten"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: object) -> dict[str, int]:
    return {name: n for name, n in _mapping(value).items() if isinstance(n, int)}
