"""Decide about every picture of every class: keep it, or drop it for one reason."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from curate.conflicts import (
    Conflict,
    Drop,
    Key,
    Reviewed,
    find_conflicts,
    key_of,
    settle,
)
from curate.duplicates import Link, keep_best, ranked
from curate.features import Features
from curate.quality import is_placeholder, issues_of, usual_sides
from curate.settings import CurateSettings, Issue
from pipeline.rows import DecisionRow, KeptPicture


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
        numbers: dict[str, int] = defaultdict(int)
        for drop in self.drops.values():
            numbers[drop.reason] += 1
        return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def unfit(pictures: Iterable[KeptPicture], features: Features, min_side: int) -> dict[Key, Drop]:
    """Return the pictures that cannot be used at all: broken, placeholders, too small."""
    return {key_of(p): Drop(reason) for p in pictures if (reason := _unfit(p, features, min_side))}


def _unfit(
    picture: KeptPicture, features: Features, min_side: int
) -> Literal["broken", "placeholder", "too_small", ""]:
    if picture.sha256 in features.broken:
        return "broken"
    if is_placeholder(features.scores[picture.sha256], picture.width, picture.height):
        return "placeholder"
    return "too_small" if min(picture.width, picture.height) < min_side else ""


def decide(
    reviewed: Reviewed,
    features: Features,
    links: Sequence[Link],
    settings: CurateSettings,
    *,
    class_names: Mapping[int, str],
) -> Decisions:
    """Settle conflicts between classes, keep the best of copies, drop the issues asked for."""
    drops = reviewed.drops | unfit(reviewed.pictures, features, settings.min_side)
    left = [p for p in reviewed.pictures if key_of(p) not in drops]
    conflicts = find_conflicts(left, links)
    order = {key_of(p): (p.rank, class_names[p.class_id], p.sha256) for p in left}
    settled = settle(
        conflicts, settings.conflicts, order, copies=_copies(links), kept=reviewed.kept
    )
    drops |= settled.drops
    left = [p for p in left if key_of(p) not in drops]

    copies = _copies_within_classes(left, features, links, reviewed.kept)
    for key, link in copies.items():
        reason = "exact_duplicate" if link.kind == "pixels" else "near_duplicate"
        drops[key] = Drop(reason, link.other(key[1]), link.distance)
    left = [p for p in left if key_of(p) not in drops]

    issues = _issues(left, features)
    for picture in left:
        found = [i for i in settings.dropped_issues if i in issues[picture.sha256]]
        if found and key_of(picture) not in reviewed.kept:
            drops[key_of(picture)] = Drop(found[0])
    kept = [p for p in left if key_of(p) not in drops]
    return Decisions(kept, drops, copies, conflicts, settled.only_train, issues)


def _copies(links: Iterable[Link]) -> dict[str, set[str]]:
    copies: dict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.duplicate:
            copies[link.first].add(link.second)
            copies[link.second].add(link.first)
    return copies


def _copies_within_classes(
    pictures: Iterable[KeptPicture],
    features: Features,
    links: Iterable[Link],
    kept: frozenset[Key],
) -> dict[Key, Link]:
    """Return each picture that a better one of its class makes superfluous, with their link."""
    classes: dict[int, list[KeptPicture]] = defaultdict(list)
    for picture in pictures:
        classes[picture.class_id].append(picture)
    duplicates = [link for link in links if link.duplicate]
    return {
        (class_id, sha256): link
        for class_id, members in classes.items()
        for sha256, link in keep_best(
            ranked(members, features, {s for c, s in kept if c == class_id}), duplicates
        ).items()
        if (class_id, sha256) not in kept
    }


def _issues(pictures: Sequence[KeptPicture], features: Features) -> dict[str, list[Issue]]:
    usual = usual_sides({p.sha256: (p.width, p.height) for p in pictures})
    return {
        p.sha256: issues_of(features.scores[p.sha256], p.width, p.height, usual) for p in pictures
    }
