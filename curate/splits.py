"""Assign leak groups to train, val and test: by seeded hash, per class, and once for all."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from curate.conflicts import Key
from curate.history import Stood
from pipeline.rows import SPLITS, KeptPicture, Split

# Filled in this order; what is left over trains.
_FILLED: tuple[Split, ...] = ("test", "val")

Shares = Mapping[Split, float]


@dataclass(frozen=True)
class Group:
    """Pictures that share a split: how many of each class, and where they stood before."""

    id: str
    pictures: Mapping[int, int]
    before: frozenset[Split] = frozenset()
    only_train: bool = False


@dataclass(frozen=True)
class Assignment:
    """The split of each group, and the classes too small to be in every split."""

    splits: dict[str, Split]
    small: frozenset[int]


def make_groups(
    members: Sequence[Sequence[str]],
    kept: Iterable[KeptPicture],
    before: Mapping[str, set[Split]],
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
            before=frozenset().union(*(before.get(s, set()) for s in names)),
            only_train=not only_train.isdisjoint(names),
        )
        for names in members
    ]


def assign(groups: Sequence[Group], shares: Shares, seed: int) -> Assignment:
    """Assign every group; a class with a group for each split is in all of them.

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
        loose = [replace(g, before=frozenset()) if g.id in released else g for g in groups]
        filling = _Filling(loose, shares, seed, small)
        filling.cover(wanted)
        filling.fill()
        missed = filling.uncovered(wanted) - small
        if not missed:
            return Assignment(filling.splits, frozenset(small))
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
        if len(g.before) == 1
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
        if group.only_train or len(group.before) > 1 or not self._small.isdisjoint(group.pictures):
            return "train"
        return next(iter(group.before), None)

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


def splits_before(
    last: Mapping[Key, Stood], kept: Iterable[KeptPicture], replaced: Mapping[Key, Key]
) -> dict[str, set[Split]]:
    """Return where each picture stood last: itself, or else the copies that it replaces now.

    `replaced` maps a dropped picture of a class to the kept one that it gave way to. Of several
    copies those count that were published last.
    """
    own: dict[str, set[Stood]] = defaultdict(set)
    inherited: dict[str, set[Stood]] = defaultdict(set)
    for (class_id, sha256), stood in last.items():
        own[sha256].add(stood)
        if (class_id, sha256) in replaced:
            inherited[replaced[class_id, sha256][1]].add(stood)
    names = {picture.sha256 for picture in kept}
    return {name: _newest(own.get(name) or inherited.get(name, set())) for name in names}


def _newest(stood: Collection[Stood]) -> set[Split]:
    newest = max((s.run_id for s in stood), default=0)
    return {s.split for s in stood if s.run_id == newest}
