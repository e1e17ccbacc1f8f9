"""Group what may leak, and assign groups to splits: by seeded hash, per class, once for all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import takewhile
from operator import itemgetter
from typing import Any, NamedTuple

from curate.decisions import Decisions
from curate.duplicates.links import Key, Link, key_of
from curate.features.cache import algorithms
from curate.settings import CurateSettings
from sceneset.manifest.rows import SPLITS, KeptPicture, RunRow, Split
from sceneset.manifest.store import Manifest

_ASSIGNS_ANEW = ("seed", "split")
_PARTS_CHAINS = ("radius", "leak_radius", "views")
# A run that failed or was killed has published nothing that must stay where it was.
_PUBLISHED = {"published", "unchanged"}
# Filled in this order; what is left over trains.
_FILLED: tuple[Split, ...] = ("test", "val")

Shares = Mapping[Split, float]


class EarlierSplit(NamedTuple):
    """The split of a picture of a class in the last run that published it."""

    run_id: int
    split: Split


@dataclass(frozen=True)
class SplitHistory:
    """Where pictures were published, those absent since included.

    `sticky` is False when --seed or --split changed: every picture is assigned anew then.
    `parted` says whether a run that linked pictures as this one does published two of them (by
    SHA-256) in different splits.
    """

    earlier: Mapping[Key, EarlierSplit]
    sticky: bool = True
    parted: Callable[[str, str], bool] = lambda _first, _second: False


def split_history(manifest: Manifest, settings: CurateSettings) -> SplitHistory:
    """Return where pictures were published since --seed and --split last changed."""
    runs = [run for run in manifest.runs("curate") if run.outcome in _PUBLISHED]
    if not runs:
        return SplitHistory({})
    newest = runs[-1].settings
    recent = list(takewhile(lambda run: _agree(run.settings, newest, _ASSIGNS_ANEW), runs[::-1]))
    rows = manifest.last_splits([run.id for run in recent])
    return SplitHistory(
        earlier={(row.class_id, row.sha256): EarlierSplit(row.run_id, row.split) for row in rows},
        sticky=_agree(newest, settings.shaping, _ASSIGNS_ANEW),
        parted=_parted(manifest, recent, settings),
    )


def _agree(one: Mapping[str, object], other: Mapping[str, object], names: Sequence[str]) -> bool:
    return all(one.get(name) == other.get(name) for name in names)


def _parted(
    manifest: Manifest, runs: Sequence[RunRow], settings: CurateSettings
) -> Callable[[str, str], bool]:
    hashed = algorithms(exact=settings.exact_hash)["phash"]
    alike = [
        run.id
        for run in runs
        if _agree(run.settings, settings.shaping, _PARTS_CHAINS)
        and run.versions.get("phash") == hashed
    ]

    def parted(first: str, second: str) -> bool:
        one, other = (manifest.splits_of(sha256, alike) for sha256 in (first, second))
        return any(other.get(run_id, split) != split for run_id, split in one.items())

    return parted


def largest_group(pictures: int) -> int:
    """Return the number of pictures above which a group is a chain: 2 % of all, 8 to 50."""
    return max(8, min(50, int(0.02 * pictures)))


def leak_groups(
    pictures: Collection[str], links: Iterable[Link], *, largest: int
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Group pictures by their links, however indirect; each group and the list are sorted.

    With them come the chains of look-alikes that were too long: first picture, size, sizes of parts.

    A group larger than `largest` is cut by leaving out its longest links, one bit after another,
    until the parts fit. Copies are never parted, so a group of copies may stay larger.
    """
    names = set(pictures)
    inside = [link for link in links if link.first in names and link.second in names]
    groups: list[list[str]] = []
    chains: list[dict[str, Any]] = []
    for group, own in components(names, inside):
        parts = _parts(group, own, largest)
        groups += parts
        if len(parts) > 1:
            sizes = sorted(map(len, parts), reverse=True)
            chains.append({"first": group[0], "size": len(group), "parts": sizes})
    return sorted(groups), sorted(chains, key=itemgetter("first"))


def components(names: Iterable[str], links: Sequence[Link]) -> list[tuple[list[str], list[Link]]]:
    """Return the connected components: sorted members, and the links among them."""
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for link in links:
        first, second = sorted((root(link.first), root(link.second)))
        parent[second] = first
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(parent):
        members[root(name)].append(name)
    own: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        own[root(link.first)].append(link)
    return [(group, own[key]) for key, group in members.items()]


def _parts(group: list[str], links: list[Link], largest: int) -> list[list[str]]:
    loose = [link.distance for link in links if not link.duplicate]
    if len(group) <= largest or not loose:
        return [group]
    tighter = [link for link in links if link.duplicate or link.distance < max(loose)]
    return [
        part
        for members, own in components(group, tighter)
        for part in _parts(members, own, largest)
    ]


@dataclass(frozen=True)
class Group:
    """Pictures that share a split: how many of each class, and where they were before."""

    id: str
    pictures: Mapping[int, int]
    earlier: frozenset[Split] = frozenset()
    only_train: bool = False


def make_groups(
    members: Sequence[Sequence[str]],
    kept: Iterable[KeptPicture],
    earlier: Mapping[str, set[Split]],
    only_train: frozenset[str],
) -> list[Group]:
    """Describe groups of SHA-256s by their pictures per class and their earlier splits."""
    classes: dict[str, list[int]] = defaultdict(list)
    for picture in kept:
        classes[picture.sha256].append(picture.class_id)
    return [
        Group(
            id=names[0],
            pictures=Counter(c for s in names for c in classes[s]),
            earlier=frozenset().union(*(earlier.get(s, set()) for s in names)),
            only_train=not only_train.isdisjoint(names),
        )
        for names in members
    ]


def assign(
    groups: Sequence[Group], shares: Shares, seed: int
) -> tuple[dict[str, Split], frozenset[int]]:
    """Return the split of each group, and the classes too small to be in every split.

    A class with a group for each split is in all of them.

    A group stays where it was, unless a class would miss a split for it. One whose pictures were in
    several splits trains, as do those that may only train, and those of a class that cannot be in
    every split. New groups go, in the order of their seeded hash, where their classes lack most:
    each class's shares hold within one group.
    """
    wanted = tuple(split for split in (*_FILLED, "train") if shares[split] > 0)
    number = Counter(c for group in groups for c in group.pictures)
    small = {c for c, groups_of_class in number.items() if groups_of_class < len(wanted)}
    released: set[str] = set()
    while True:
        loose = [replace(g, earlier=frozenset()) if g.id in released else g for g in groups]
        filling = _Filling(loose, shares, seed, small)
        filling.cover(wanted)
        filling.fill()
        missed = filling.uncovered(wanted) - small
        if not missed:
            return filling.splits, frozenset(small)
        spare = set(_spare_groups(loose, filling.splits, missed, seed))
        released |= spare
        if not spare:
            small |= missed


def _spare_groups(
    groups: Sequence[Group], splits: Mapping[str, Split], missed: set[int], seed: int
) -> Iterator[str]:
    """Yield for each class that misses a split the group it can best spare from another one.

    That is one of the split with most of its groups; none is taken that would leave any of its
    classes without a group there.
    """
    held = Counter((c, splits[g.id]) for g in groups for c in g.pictures)
    able = [
        g
        for g in groups
        if len(g.earlier) == 1
        and not g.only_train
        and all(held[c, splits[g.id]] > 1 for c in g.pictures)
    ]
    for class_id in sorted(missed):
        own = [g for g in able if class_id in g.pictures]
        if own:
            best = min(own, key=lambda g: (-held[class_id, splits[g.id]], seeded(g.id, seed)))
            yield best.id


class _Filling:
    """Splits being filled: what is assigned, what is free, and how far each class is."""

    def __init__(self, groups: Sequence[Group], shares: Shares, seed: int, small: set[int]) -> None:
        self.splits: dict[str, Split] = {}
        self._small = small
        self._filled: Counter[tuple[int, Split]] = Counter()
        total = Counter[int]()
        for group in groups:
            total.update(group.pictures)
        self._target = {(c, s): shares[s] * n for c, n in total.items() for s in SPLITS}
        self._free: dict[str, Group] = {}
        for group in sorted(groups, key=lambda g: seeded(g.id, seed)):
            settled = self._settled(group)
            if settled:
                self._put(group, settled)
            else:
                self._free[group.id] = group

    def _settled(self, group: Group) -> Split | None:
        if group.only_train or len(group.earlier) > 1 or not self._small.isdisjoint(group.pictures):
            return "train"
        return next(iter(group.earlier), None)

    def _put(self, group: Group, split: Split) -> None:
        self.splits[group.id] = split
        self._free.pop(group.id, None)
        for class_id, pictures in group.pictures.items():
            self._filled[class_id, split] += pictures

    def cover(self, wanted: Sequence[Split]) -> None:
        """Give each class that is not small a group in every wanted split, scarcest class first."""
        choices: dict[int, list[Group]] = defaultdict(list)
        for group in self._free.values():
            for class_id in group.pictures:
                choices[class_id].append(group)
        for class_id in sorted(choices, key=lambda c: (len(choices[c]), c)):
            for split in wanted:
                free = [g for g in choices[class_id] if g.id in self._free]
                if free and not self._filled[class_id, split]:
                    self._put(min(free, key=lambda g: self._excess(g, class_id, split)), split)

    def _excess(self, group: Group, class_id: int, split: Split) -> tuple[float, int]:
        above = group.pictures[class_id] - max(1.0, self._target[class_id, split])
        return max(0.0, above), len(group.pictures)

    def fill(self) -> None:
        """Assign every group that is still free."""
        for group in list(self._free.values()):
            split: Split = next((s for s in _FILLED if self._fits(group, s)), "train")
            self._put(group, split)

    def _fits(self, group: Group, split: Split) -> bool:
        """Say whether each of the group's classes comes nearer to its share by this group."""
        return all(
            self._filled[class_id, split] + pictures / 2 <= self._target[class_id, split]
            for class_id, pictures in group.pictures.items()
        )

    def uncovered(self, wanted: Iterable[Split]) -> set[int]:
        """Return the classes that lack a wanted split."""
        classes = {class_id for class_id, _ in self._target}
        return {c for c in classes for split in wanted if not self._filled[c, split]}


def seeded(name: str, seed: int) -> bytes:
    """Return the hash that orders groups: another seed, another order."""
    return blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()


def earlier_splits(
    earlier: Mapping[Key, EarlierSplit], kept: Iterable[KeptPicture], replaced: Mapping[Key, Key]
) -> dict[str, set[Split]]:
    """Return where each picture was last: itself, or else the copies that it replaces now.

    `replaced` maps a dropped picture of a class to the kept one that it gave way to. Of several
    copies those count that were published last.
    """
    own: dict[str, set[EarlierSplit]] = defaultdict(set)
    inherited: dict[str, set[EarlierSplit]] = defaultdict(set)
    for key, split in earlier.items():
        own[key[1]].add(split)
        if key in replaced:
            inherited[replaced[key][1]].add(split)
    names = {picture.sha256 for picture in kept}
    return {name: _newest(own.get(name) or inherited.get(name, set())) for name in names}


def _newest(earlier: Collection[EarlierSplit]) -> set[Split]:
    newest = max((e.run_id for e in earlier), default=0)
    return {e.split for e in earlier if e.run_id == newest}


@dataclass(frozen=True)
class Partition:
    """The split and leak group of every kept picture, by SHA-256."""

    split_of: Mapping[str, Split]
    group_of: Mapping[str, str]
    groups: Sequence[Sequence[str]]
    chains: Sequence[Mapping[str, Any]]
    small: frozenset[int]
    moved: Sequence[tuple[Key, Split, Split]]


def partition(
    decisions: Decisions, links: Sequence[Link], settings: CurateSettings, history: SplitHistory
) -> Partition:
    """Assign every kept picture to a split, copies and look-alikes together.

    Pictures stay where they were unless --seed or --split changed.
    """
    replaced = {
        key: (key[0], drop.of_sha256)
        for key, drop in decisions.drops.items()
        if drop.of_sha256 is not None
    }
    earlier = earlier_splits(history.earlier if history.sticky else {}, decisions.kept, replaced)
    binding = [link for link in links if not _stays_apart(link, earlier, history)]
    names = {p.sha256 for p in decisions.kept}
    members, chains = leak_groups(names, binding, largest=largest_group(len(names)))
    groups = make_groups(members, decisions.kept, earlier, decisions.only_train)
    splits, small = assign(groups, settings.shares, settings.seed)
    group_of = {s: group.id for group, own in zip(groups, members, strict=True) for s in own}
    split_of = {s: splits[group] for s, group in group_of.items()}
    moved = [
        (key, history.earlier[key].split, split_of[key[1]])
        for key in map(key_of, decisions.kept)
        if key in history.earlier and history.earlier[key].split != split_of[key[1]]
    ]
    return Partition(split_of, group_of, members, chains, small, moved)


def _stays_apart(link: Link, earlier: Mapping[str, set[Split]], history: SplitHistory) -> bool:
    """Say whether an earlier run separated two look-alikes of a chain that are no copies."""
    first, second = earlier.get(link.first, set()), earlier.get(link.second, set())
    apart = not link.duplicate and bool(first) and bool(second) and first != second
    return apart and history.parted(link.first, link.second)
