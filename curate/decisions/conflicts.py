"""Settle under which class a picture stands: what a person decided, then conflicts of classes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

from curate.duplicates.links import Kind, Link
from curate.settings import Conflicts
from sceneset.manifest.rows import KeptPicture, OverrideRow

Key = tuple[int, str]


class Drop(NamedTuple):
    """Why a picture of a class is left out, and which picture it gave way to."""

    reason: str
    of_sha256: str | None = None
    distance: int | None = None


class Conflict(NamedTuple):
    """One picture under two classes: (class id, SHA-256) twice, `distance` bits apart."""

    first: Key
    second: Key
    distance: int
    kind: Kind


@dataclass(frozen=True)
class Settled:
    """Which pictures of which classes are out, and which pictures may only train."""

    drops: dict[Key, Drop] = field(default_factory=dict)
    only_train: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reviewed:
    """The pictures after a person's decisions: who is left, who is out, who must stay."""

    pictures: list[KeptPicture]
    drops: dict[Key, Drop]
    kept: frozenset[Key]


def key_of(picture: KeptPicture) -> Key:
    """Return class id and SHA-256."""
    return picture.class_id, picture.sha256


def apply_overrides(
    pictures: Iterable[KeptPicture], overrides: Mapping[tuple[str, int], OverrideRow]
) -> Reviewed:
    """Keep, drop and relabel what a person decided about; the latest decision holds.

    A relabelled picture is dropped from its old class and stands under the new one.
    """
    known = {key_of(p): p for p in pictures}
    drops: dict[Key, Drop] = {}
    kept: set[Key] = set()
    for (sha256, class_id), override in sorted(overrides.items()):
        picture = known.get((class_id, sha256))
        if picture is None or override.action != "relabel" or override.new_class_id is None:
            continue
        drops[class_id, sha256] = Drop("person")
        moved = replace(picture, class_id=override.new_class_id)
        known.setdefault(key_of(moved), moved)
        kept.add(key_of(moved))
    for (sha256, class_id), override in overrides.items():
        if override.action == "drop" and (class_id, sha256) in known:
            drops[class_id, sha256] = Drop("person")
        elif override.action == "keep":
            kept.add((class_id, sha256))
    left = [known[key] for key in sorted(known.keys() - drops.keys())]
    return Reviewed(left, drops, frozenset(kept - drops.keys()))


def find_conflicts(pictures: Iterable[KeptPicture], links: Iterable[Link]) -> list[Conflict]:
    """Return every pair of copies that stand under different classes, sorted."""
    classes: dict[str, list[int]] = defaultdict(list)
    for class_id, sha256 in sorted(map(key_of, pictures)):
        classes[sha256].append(class_id)
    found = [
        Conflict((a, sha256), (b, sha256), 0, "pixels")
        for sha256, ids in classes.items()
        for a, b in combinations(ids, 2)
    ]
    found += [
        Conflict(*_in_order((a, link.first), (b, link.second)), link.distance, link.kind)
        for link in links
        if link.duplicate
        for a in classes.get(link.first, ())
        for b in classes.get(link.second, ())
        if a != b
    ]
    return sorted(found)


def _in_order(first: Key, second: Key) -> tuple[Key, Key]:
    return (first, second) if first < second else (second, first)


def settle(
    conflicts: Iterable[Conflict],
    policy: Conflicts,
    order: Mapping[Key, tuple[object, ...]],
    *,
    copies: Mapping[str, set[str]],
    kept: frozenset[Key] = frozenset(),
) -> Settled:
    """Settle conflicts by a policy; what a person kept stands whatever the policy.

    `order` sorts pictures for `best-rank`; `copies` names each picture's direct copies, which a
    quarantine takes along in both classes.
    """
    conflicts = list(conflicts)
    if policy == "best-rank":
        return Settled(_losers(conflicts, order, kept))
    decided = [c for c in conflicts if (c.first in kept) != (c.second in kept)]
    drops = _losers(decided, order, kept)
    open_ends = {
        key: conflict
        for conflict in conflicts
        if conflict not in decided
        for key in (conflict.first, conflict.second)
        if key not in drops
    }
    if policy == "train-only":
        alike = {s for _, sha256 in open_ends for s in (sha256, *copies.get(sha256, ()))}
        return Settled(drops, frozenset(alike))
    for (class_id, sha256), conflict in sorted(open_ends.items()):
        if (class_id, sha256) in kept:
            continue
        other = conflict.second if conflict.first == (class_id, sha256) else conflict.first
        drops[class_id, sha256] = Drop("conflict", other[1], conflict.distance)
        for copy in sorted(copies.get(sha256, ())):
            if (class_id, copy) in order and (class_id, copy) not in kept:
                drops.setdefault((class_id, copy), Drop("conflict", sha256, conflict.distance))
    both_kept = frozenset(s for c, s in open_ends if (c, s) in kept)
    return Settled(drops, both_kept)


def _losers(
    conflicts: Iterable[Conflict],
    order: Mapping[Key, tuple[object, ...]],
    kept: frozenset[Key],
) -> dict[Key, Drop]:
    """Keep the first of each conflict, what a person kept before all, and drop its opponents."""
    against: dict[Key, list[Conflict]] = defaultdict(list)
    for conflict in conflicts:
        against[conflict.first].append(conflict)
        against[conflict.second].append(conflict)
    drops: dict[Key, Drop] = {}
    for key in sorted(against, key=lambda k: (k not in kept, order[k])):
        if key in drops:
            continue
        for conflict in against[key]:
            loser = conflict.second if conflict.first == key else conflict.first
            if loser not in kept:
                drops.setdefault(loser, Drop("conflict", key[1], conflict.distance))
    return drops
