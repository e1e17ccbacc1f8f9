"""Group pictures that must share a split, and cut chains that grow too long."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from curate.duplicates.links import Link

LARGEST = 50
LARGEST_SHARE = 0.02
SMALLEST_CHAIN = 8


class Chain(NamedTuple):
    """A chain of look-alikes that was too long: its size and the sizes of its parts."""

    first: str
    size: int
    parts: tuple[int, ...]


def largest_group(pictures: int) -> int:
    """Return the number of pictures above which a group is a chain: 2 % of all, 8 to 50."""
    return max(SMALLEST_CHAIN, min(LARGEST, int(LARGEST_SHARE * pictures)))


def leak_groups(
    pictures: Collection[str], links: Iterable[Link], *, largest: int
) -> tuple[list[list[str]], list[Chain]]:
    """Group pictures by their links, however indirect; each group and the list are sorted.

    A group larger than `largest` is cut by leaving out its longest links, one bit after another,
    until the parts fit. Copies are never parted, so a group of copies may stay larger.
    """
    names = set(pictures)
    inside = [link for link in links if link.first in names and link.second in names]
    groups: list[list[str]] = []
    chains: list[Chain] = []
    for group, own in components(names, inside):
        parts = _parts(group, own, largest)
        groups += parts
        if len(parts) > 1:
            sizes = tuple(sorted(map(len, parts), reverse=True))
            chains.append(Chain(group[0], len(group), sizes))
    return sorted(groups), sorted(chains)


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
