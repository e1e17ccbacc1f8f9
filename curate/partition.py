"""Part the kept pictures into splits: group them, then assign the groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curate.conflicts import Key, key_of
from curate.decisions import Decisions
from curate.duplicates import Link
from curate.leak_groups import Chain, largest_group, leak_groups
from curate.settings import CurateSettings
from curate.splits import already_apart, assign, make_groups, splits_before
from pipeline.rows import Split

_ASSIGNS_ANEW = ("seed", "split")
_PARTS_CHAINS = ("radius", "leak_radius", "views")


@dataclass(frozen=True)
class Before:
    """Where pictures stood in the newest published run, and with which settings."""

    splits: Mapping[Key, Split]
    settings: Mapping[str, object]

    def agrees(self, settings: CurateSettings, names: Sequence[str]) -> bool:
        """Say whether that run had the same values of these settings."""
        return all(self.settings.get(name) == settings.shaping[name] for name in names)


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
    sticky = before.agrees(settings, _ASSIGNS_ANEW)
    replaced = {
        key: (key[0], drop.of_sha256)
        for key, drop in decisions.drops.items()
        if drop.of_sha256 is not None
    }
    stood = splits_before(before.splits if sticky else {}, decisions.kept, replaced)
    binding = list(links)
    if before.agrees(settings, _PARTS_CHAINS):
        binding = [link for link in links if not already_apart(link, stood)]
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


def _moved(
    decisions: Decisions, before: Before, split_of: Mapping[str, Split]
) -> list[tuple[Key, Split, Split]]:
    """Return the pictures that changed their split: (key, from, to)."""
    return [
        (key, before.splits[key], split_of[key[1]])
        for key in map(key_of, decisions.kept)
        if key in before.splits and before.splits[key] != split_of[key[1]]
    ]
