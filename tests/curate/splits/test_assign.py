from collections.abc import Iterable, Mapping
from itertools import pairwise

from curate.decisions import Decisions
from curate.duplicates.links import Link
from curate.settings import CurateSettings
from curate.splits.assign import EarlierSplit, Partition, SplitHistory, partition
from sceneset.manifest.rows import KeptPicture, Split

SETTINGS = CurateSettings()
NOTHING_BEFORE = SplitHistory({})


def decisions(names: Iterable[str], only_train: frozenset[str] = frozenset()) -> Decisions:
    kept = [KeptPicture(1, name, "", "", 9, 9, 9, 0, "", "", "") for name in names]
    return Decisions(kept, {}, {}, [], only_train, {})


def near(first: str, second: str, distance: int = 12, *, duplicate: bool = False) -> Link:
    return Link(first, second, distance, "whole", duplicate)


def before(
    splits: Mapping[str, Split], *, sticky: bool = True, linked: bool = True
) -> SplitHistory:
    """Return one run's splits; `linked` when its radii were those of now."""
    return SplitHistory(
        {(1, name): EarlierSplit(1, split) for name, split in splits.items()},
        sticky=sticky,
        parted=lambda a, b: linked and splits.get(a) != splits.get(b),
    )


def chain_of_twelve() -> tuple[list[str], list[Link]]:
    names = [f"{n:03}" for n in range(100)]
    return names, [near(a, b) for a, b in pairwise(names[:12])]


def parted(parts: Partition, links: list[Link]) -> int:
    return sum(parts.split_of[x.first] != parts.split_of[x.second] for x in links)


def test_a_chain_that_was_cut_stays_cut_when_the_set_grows() -> None:
    names, links = chain_of_twelve()
    first = partition(decisions(names), links, SETTINGS, NOTHING_BEFORE)
    assert first.chains
    assert parted(first, links) > 0
    grown = [*names, *(f"{n:03}" for n in range(100, 1000))]
    second = partition(decisions(grown), links, SETTINGS, before(first.split_of))
    assert not second.chains
    assert second.moved == []
    wider = before(first.split_of, linked=False)
    united = partition(decisions(grown), links, SETTINGS, wider)
    assert parted(united, links) == 0
    assert {to for _, _, to in united.moved} == {"train"}


def test_copies_that_stood_apart_are_united_in_train_and_listed() -> None:
    names = [f"{n:02}" for n in range(20)]
    stood: dict[str, Split] = dict.fromkeys(names, "train") | {"00": "test", "01": "val"}
    stood |= {"02": "test", "03": "val"}
    link = near("00", "01", 4, duplicate=True)
    parts = partition(decisions(names), [link], SETTINGS, before(stood))
    assert parts.moved == [((1, "00"), "test", "train"), ((1, "01"), "val", "train")]
    assert parted(parts, [link]) == 0
    assert parts.group_of["01"] == "00"


def test_another_seed_or_other_shares_assign_anew() -> None:
    names = [f"{n:02}" for n in range(40)]
    stood: dict[str, Split] = dict.fromkeys(names, "train") | {"00": "test", "01": "val"}
    anew = partition(decisions(names), [], SETTINGS, before(stood, sticky=False))
    assert anew.split_of == partition(decisions(names), [], SETTINGS, NOTHING_BEFORE).split_of
    assert len(anew.moved) > 2


def test_what_may_only_train_takes_its_look_alikes_along() -> None:
    names = [f"{n:02}" for n in range(20)]
    for name in names[1:]:
        parts = partition(decisions(names, frozenset({"00"})), [near("00", name)], SETTINGS, NOTHING_BEFORE)  # fmt: skip
        assert parts.split_of["00"] == parts.split_of[name] == "train"
