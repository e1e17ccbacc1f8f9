"""Decide about every picture of every class: keep it, or drop it for one reason."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from curate.decisions.conflicts import Conflict, Drop, Key, Reviewed, find_conflicts, key_of, settle
from curate.duplicates.links import Link, with_frames
from curate.duplicates.representative import enlarged, keep_best, ranked
from curate.features.cache import Features
from curate.features.fidelity import Fidelity
from curate.features.quality import is_placeholder, issues_of, usual_sides
from curate.settings import CurateSettings, Issue
from sceneset.manifest.rows import DecisionRow, KeptPicture


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


@dataclass(frozen=True)
class Search:
    """What the search for copies found.

    `aside` links each picture that a twin of its class stands for to that twin; `links` are among
    the `standing` pictures; `fidelity` and `digests` are those of pictures with copies.
    """

    standing: list[KeptPicture]
    aside: Mapping[Key, Link]
    links: Sequence[Link]
    fidelity: Mapping[str, Fidelity]
    digests: Mapping[str, bytes]


def unfit(
    pictures: Iterable[KeptPicture],
    features: Features,
    min_side: int,
    damaged: Collection[str] = (),
    *,
    kept: Collection[Key] = (),
) -> dict[Key, Drop]:
    """Return the pictures that cannot be used: broken; placeholders and too small, unless `kept`.

    What a person kept is dropped only where there is no whole picture.
    """
    drops: dict[Key, Drop] = {}
    for picture in pictures:
        key = key_of(picture)
        if picture.sha256 in damaged or picture.sha256 in features.broken:
            drops[key] = Drop("broken")
        elif key not in kept and (reason := _unwanted(picture, features, min_side)):
            drops[key] = Drop(reason)
    return drops


def _unwanted(
    picture: KeptPicture, features: Features, min_side: int
) -> Literal["placeholder", "too_small", ""]:
    scores = features.scores[picture.sha256]
    if is_placeholder(scores, picture.width, picture.height, picture.format):
        return "placeholder"
    return "too_small" if min(picture.width, picture.height) < min_side else ""


def decide(
    reviewed: Reviewed,
    features: Features,
    search: Search,
    settings: CurateSettings,
    *,
    unfit: Mapping[Key, Drop],
    class_names: Mapping[int, str],
) -> Decisions:
    """Settle conflicts between classes, keep the best of copies, drop the issues asked for."""
    drops = {**reviewed.drops, **unfit}
    left = search.standing
    conflicts = find_conflicts(left, search.links)
    order = {key_of(p): (p.rank, class_names[p.class_id], p.sha256) for p in left}
    settled = settle(
        conflicts, settings.conflicts, order, copies=_copies(search.links), kept=reviewed.kept
    )
    drops |= settled.drops
    left = [p for p in left if key_of(p) not in drops]

    framed = with_frames(_duplicates(search.links), search.fidelity, features.thumbs)
    copies = _copies_within_classes(left, framed, search.fidelity, reviewed.kept)
    drops |= {key: _gives_way(key, link) for key, link in copies.items()}
    drops, copies = _with_twins(drops, copies, search.aside)
    left = [p for p in left if key_of(p) not in drops]

    issues = _issues(left, features, settings)
    for picture in left:
        found = [i for i in settings.dropped_issues if i in issues[picture.sha256]]
        if found and key_of(picture) not in reviewed.kept:
            drops[key_of(picture)] = Drop(found[0])
    kept = [p for p in left if key_of(p) not in drops]
    return Decisions(kept, drops, copies, conflicts, settled.only_train, issues)


def _gives_way(key: Key, link: Link) -> Drop:
    reason = "exact_duplicate" if link.kind == "pixels" else "near_duplicate"
    return Drop(reason, link.other(key[1]), link.distance)


def _with_twins(
    drops: dict[Key, Drop], copies: dict[Key, Link], aside: Mapping[Key, Link]
) -> tuple[dict[Key, Drop], dict[Key, Link]]:
    """Let each picture put aside share the fate of its twin: kept by it, or out with it.

    Twins have one hash, so what a twin is a copy of, its twins are, at the same distance.
    """
    all_drops, all_copies = dict(drops), dict(copies)
    for key, link in aside.items():
        twin = (key[0], link.second)
        if twin not in copies and twin in drops:
            all_drops[key] = drops[twin]
            continue
        all_copies[key] = _past_twin(link, copies[twin]) if twin in copies else link
        all_drops[key] = _gives_way(key, all_copies[key])
    return all_drops, all_copies


def _past_twin(link: Link, twins: Link) -> Link:
    """Return the link of a picture to what its twin is a copy of."""
    of = twins.other(link.second)
    kind = "whole" if twins.kind == "pixels" else twins.kind
    return Link(link.first, of, twins.distance, kind, duplicate=True)


def _duplicates(links: Iterable[Link]) -> list[Link]:
    return [link for link in links if link.duplicate]


def _copies(links: Iterable[Link]) -> dict[str, set[str]]:
    copies: dict[str, set[str]] = defaultdict(set)
    for link in _duplicates(links):
        copies[link.first].add(link.second)
        copies[link.second].add(link.first)
    return copies


def _copies_within_classes(
    pictures: Iterable[KeptPicture],
    duplicates: Sequence[Link],
    measured: Mapping[str, Fidelity],
    kept: frozenset[Key],
) -> dict[Key, Link]:
    """Return each picture that a better one of its class makes superfluous, with their link."""
    classes: dict[int, list[KeptPicture]] = defaultdict(list)
    for picture in pictures:
        classes[picture.class_id].append(picture)
    grown = enlarged((x[:2] for x in duplicates if x.shows_the_same), measured)
    copies: dict[Key, Link] = {}
    for class_id, members in classes.items():
        by_hand = {s for c, s in kept if c == class_id}
        order = ranked(members, measured, by_hand=by_hand, enlarged=grown)
        best = keep_best(order, duplicates, by_hand=by_hand)
        copies |= {(class_id, sha256): link for sha256, link in best.items()}
    return copies


def _issues(
    pictures: Sequence[KeptPicture], features: Features, settings: CurateSettings
) -> dict[str, list[Issue]]:
    limits = settings.limits
    sizes = {p.sha256: (p.width, p.height) for p in pictures}
    usual = usual_sides(sizes, limits["odd_size"])
    return {s: issues_of(features.scores[s], *size, usual, limits) for s, size in sizes.items()}
