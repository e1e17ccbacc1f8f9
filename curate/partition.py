"""Part the kept pictures into splits: group them, then assign the groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curate.conflicts import Key, key_of
from curate.decisions import Decisions
from curate.duplicates import Link
from curate.history import Before
from curate.leak_groups import Chain, largest_group, leak_groups
from curate.settings import CurateSettings
from curate.splits import assign, make_groups, splits_before
from pipeline.rows import Split


@dataclass(frozen=True)
class Partition:
    """The split and leak group of every kept picture, by SHA-256."""

    split_of: Mapping[str, Split]
    group_of: Mapping[str, str]
    groups: Sequence[Sequence[str]]
    chains: Sequence[Chain]
    small: frozenset[int]
    moved: Sequence[tuple[Key, Split, Split]]


def partition(
    decisions: Decisions, links: Sequence[Link], settings: CurateSettings, before: Before
) -> Partition:
    """Assign every kept picture to a split, copies and look-alikes together.

    Pictures stay where they stood unless --seed or --split changed.
    """
    replaced = {
        key: (key[0], drop.of_sha256)
        for key, drop in decisions.drops.items()
        if drop.of_sha256 is not None
    }
    stood = splits_before(before.stood if before.sticky else {}, decisions.kept, replaced)
    binding = [link for link in links if not _stays_apart(link, stood, before)]
    names = {p.sha256 for p in decisions.kept}
    members, chains = leak_groups(names, binding, largest=largest_group(len(names)))
    groups = make_groups(members, decisions.kept, stood, decisions.only_train)
    assignment = assign(groups, settings.shares, settings.seed)
    group_of = {s: group.id for group, own in zip(groups, members, strict=True) for s in own}
    split_of = {s: assignment.splits[group] for s, group in group_of.items()}
    return Partition(
        split_of=split_of,
        group_of=group_of,
        groups=members,
        chains=chains,
        small=assignment.small,
        moved=_moved(decisions, before, split_of),
    )


def _stays_apart(link: Link, stood: Mapping[str, set[Split]], before: Before) -> bool:
    """Say whether a run has parted two look-alikes of a chain that are no copies."""
    first, second = stood.get(link.first, set()), stood.get(link.second, set())
    apart = not link.duplicate and bool(first) and bool(second) and first != second
    return apart and before.parted(link.first, link.second)


def _moved(
    decisions: Decisions, before: Before, split_of: Mapping[str, Split]
) -> list[tuple[Key, Split, Split]]:
    """Return the pictures that changed their split: (key, from, to)."""
    return [
        (key, before.stood[key].split, split_of[key[1]])
        for key in map(key_of, decisions.kept)
        if key in before.stood and before.stood[key].split != split_of[key[1]]
    ]
