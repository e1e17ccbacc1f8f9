"""Decide about every picture of every class: keep it, or drop it for one reason.

What a person decided comes first, then conflicts between classes, copies, and quality issues.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, filterfalse
from typing import NamedTuple

from curate.duplicates.links import Key, Link, LinkKind, key_of, with_frames
from curate.duplicates.representative import find_enlarged, find_turned, keep_best, ranked
from curate.duplicates.search import SearchResult
from curate.features.cache import Features
from curate.features.quality import is_placeholder, issues_of, usual_sides
from curate.settings import Conflicts, CurateSettings, Issue
from sceneset.manifest.rows import DecisionRow, KeptPicture, OverrideRow


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
    kind: LinkKind

    def other(self, key: Key) -> Key:
        """Return the other end."""
        return self.second if key == self.first else self.first


@dataclass(frozen=True)
class OverrideResult:
    """The pictures after a person's decisions: what is left, what is dropped, what must be kept."""

    pictures: list[KeptPicture]
    drops: dict[Key, Drop]
    kept: frozenset[Key]


@dataclass(frozen=True)
class Decisions:
    """What curate decided, and what the report shows of it."""

    kept: list[KeptPicture]
    drops: dict[Key, Drop]
    copies: dict[Key, Link]
    conflicts: list[Conflict]
    only_train: frozenset[str]
    issues: dict[str, list[Issue]]

    def rows(self, run_id: int) -> list[DecisionRow]:
        """Return one row per picture and class."""
        keeps = [DecisionRow(run_id, *key_of(p), "keep") for p in self.kept]
        return keeps + [
            DecisionRow(run_id, *key, "drop", drop.reason, drop.of_sha256, drop.distance)
            for key, drop in sorted(self.drops.items(), key=lambda item: item[0])
        ]

    def counts(self) -> dict[str, int]:
        """Return reason -> number of drops, most first."""
        numbers = Counter(drop.reason for drop in self.drops.values())
        return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def apply_overrides(
    pictures: Iterable[KeptPicture], overrides: Mapping[tuple[str, int], OverrideRow]
) -> OverrideResult:
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
    return OverrideResult(left, drops, frozenset(kept - drops.keys()))


def find_unusable(
    pictures: Iterable[KeptPicture],
    features: Features,
    min_side: int,
    damaged: Collection[str] = (),
    *,
    kept: Collection[Key] = (),
) -> dict[Key, Drop]:
    """Return the pictures that cannot be used: broken; placeholders and too small, unless `kept`.

    What a person kept is dropped only when it cannot be decoded.
    """
    drops: dict[Key, Drop] = {}
    for picture in pictures:
        key, sides = key_of(picture), (picture.width, picture.height)
        if picture.sha256 in damaged or picture.sha256 in features.broken:
            drops[key] = Drop("broken")
        elif key in kept:
            continue
        elif is_placeholder(features.scores[picture.sha256], *sides, picture.format):
            drops[key] = Drop("placeholder")
        elif min(sides) < min_side:
            drops[key] = Drop("too_small")
    return drops


def decide(
    reviewed: OverrideResult,
    features: Features,
    search: SearchResult,
    settings: CurateSettings,
    *,
    unusable: Mapping[Key, Drop],
    class_names: Mapping[int, str],
) -> Decisions:
    """Settle conflicts between classes, keep the best of copies, drop the requested issues."""
    drops = {**reviewed.drops, **unusable}
    left = search.representatives
    duplicates = [link for link in search.links if link.duplicate]
    conflicts = find_conflicts(left, duplicates)
    order = {key_of(p): (p.rank, class_names[p.class_id], p.sha256) for p in left}
    conflict_drops, only_train = settle(
        conflicts, settings.conflicts, order, copies=_neighbours(duplicates), kept=reviewed.kept
    )
    drops |= conflict_drops
    left = [p for p in left if key_of(p) not in drops]

    framed = with_frames(duplicates, search.full.fidelity, features.thumbs)
    copies = _copies_within_classes(left, framed, search, reviewed.kept)
    drops |= {key: _duplicate_drop(key, link) for key, link in copies.items()}
    _drop_represented(drops, copies, search.represented)
    left = [p for p in left if key_of(p) not in drops]

    issues = _issues(left, features, settings)
    for key in map(key_of, left):
        dropping = [i for i in settings.dropped_issues if i in issues[key[1]]]
        if dropping and key not in reviewed.kept:
            drops[key] = Drop(dropping[0])
    kept = [p for p in left if key_of(p) not in drops]
    return Decisions(kept, drops, copies, conflicts, only_train, issues)


def find_conflicts(pictures: Iterable[KeptPicture], links: Iterable[Link]) -> list[Conflict]:
    """Return every pair of copies that stand under different classes, sorted."""
    classes: dict[str, list[int]] = defaultdict(list)
    for class_id, sha256 in sorted(map(key_of, pictures)):
        classes[sha256].append(class_id)
    conflicts = [
        Conflict((a, sha256), (b, sha256), 0, "pixels")
        for sha256, ids in classes.items()
        for a, b in combinations(ids, 2)
    ]
    for link in links:
        ends = [[(c, name) for c in classes.get(name, ())] for name in (link.first, link.second)]
        conflicts += [
            Conflict(min(a, b), max(a, b), link.distance, link.kind)
            for a in ends[0]
            for b in ends[1]
            if link.duplicate and a[0] != b[0]
        ]
    return sorted(conflicts)


def settle(
    conflicts: Sequence[Conflict],
    policy: Conflicts,
    order: Mapping[Key, tuple[object, ...]],
    *,
    copies: Mapping[str, set[str]],
    kept: frozenset[Key] = frozenset(),
) -> tuple[dict[Key, Drop], frozenset[str]]:
    """Return what conflicts drop by a policy, and which pictures may only train.

    What a person kept stands whatever the policy. `order` sorts pictures for `best-rank`; `copies` names each picture's direct copies, which a
    quarantine takes along in both classes.
    """

    def has_winner(conflict: Conflict) -> bool:
        return policy == "best-rank" or (conflict.first in kept) != (conflict.second in kept)

    drops = _drop_losers(filter(has_winner, conflicts), order, kept)
    undecided = {
        key: conflict
        for conflict in filterfalse(has_winner, conflicts)
        for key in (conflict.first, conflict.second)
        if key not in drops
    }
    if policy == "train-only":
        alike = {s for _, sha256 in undecided for s in (sha256, *copies.get(sha256, ()))}
        return drops, frozenset(alike)
    for key, conflict in sorted(undecided.items()):
        if key in kept:
            continue
        class_id, sha256 = key
        drops[key] = Drop("conflict", conflict.other(key)[1], conflict.distance)
        for copy in sorted(copies.get(sha256, ())):
            if (class_id, copy) in order and (class_id, copy) not in kept:
                drops.setdefault((class_id, copy), Drop("conflict", sha256, conflict.distance))
    return drops, frozenset(sha256 for _, sha256 in undecided.keys() & kept)


def _drop_losers(
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
            if conflict.other(key) not in kept:
                drop = Drop("conflict", key[1], conflict.distance)
                drops.setdefault(conflict.other(key), drop)
    return drops


def _neighbours(duplicates: Iterable[Link]) -> dict[str, set[str]]:
    neighbours: dict[str, set[str]] = defaultdict(set)
    for link in duplicates:
        neighbours[link.first].add(link.second)
        neighbours[link.second].add(link.first)
    return neighbours


def _copies_within_classes(
    pictures: Iterable[KeptPicture],
    duplicates: Sequence[Link],
    search: SearchResult,
    kept: frozenset[Key],
) -> dict[Key, Link]:
    """Return each picture that has a better copy in its class, with the link to it."""
    fidelity = search.full.fidelity
    classes: dict[int, list[KeptPicture]] = defaultdict(list)
    for picture in pictures:
        classes[picture.class_id].append(picture)
    # A crop shows less of the scene: its px can't be compared.
    grown = find_enlarged((x[:2] for x in duplicates if x.is_comparable), fidelity)
    standing = Counter(link.second for link in search.represented.values())
    turned = find_turned(duplicates, fidelity, standing)
    copies: dict[Key, Link] = {}
    for class_id, members in classes.items():
        by_hand = {s for c, s in kept if c == class_id}
        order = ranked(members, fidelity, by_hand=by_hand, enlarged=grown, turned=turned)
        best = keep_best(order, duplicates, by_hand=by_hand, fidelity=fidelity)
        copies |= {(class_id, sha256): link for sha256, link in best.items()}
    return copies


def _duplicate_drop(key: Key, link: Link) -> Drop:
    reason = "exact_duplicate" if link.kind == "pixels" else "near_duplicate"
    return Drop(reason, link.other(key[1]), link.distance)


def _drop_represented(
    drops: dict[Key, Drop], copies: dict[Key, Link], represented: Mapping[Key, Link]
) -> None:
    """Drop each represented picture: as a copy of its representative, or for the same reason as that.

    They share one hash, so they are as far as the representative from what it is a copy of.
    """
    for key, link in represented.items():
        representative = (key[0], link.second)
        if representative in copies:
            further = copies[representative]
            kind: LinkKind = "whole" if further.kind == "pixels" else further.kind
            other = further.other(link.second)
            link = Link(key[1], other, further.distance, kind, duplicate=True)  # noqa: PLW2901  the link past the representative
        elif representative in drops:
            drops[key] = drops[representative]
            continue
        copies[key] = link
        drops[key] = _duplicate_drop(key, link)


def _issues(
    pictures: Sequence[KeptPicture], features: Features, settings: CurateSettings
) -> dict[str, list[Issue]]:
    limits = settings.limits
    sizes = {p.sha256: (p.width, p.height) for p in pictures}
    usual = usual_sides(sizes, limits["odd_size"])
    return {s: issues_of(features.scores[s], *size, usual, limits) for s, size in sizes.items()}
