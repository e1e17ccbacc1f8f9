from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.links import Link
from curate.splits.assign import (
    EarlierSplit,
    Group,
    assign,
    components,
    earlier_splits,
    largest_group,
    leak_groups,
    seeded,
)
from sceneset.manifest.rows import SPLITS, KeptPicture, Split

SHARES: dict[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}


def near(first: str, second: str, distance: int = 10, *, duplicate: bool = False) -> Link:
    return Link(first, second, distance, "whole", duplicate)


def singles(class_id: int, number: int, before: dict[str, Split] | None = None) -> list[Group]:
    before = before or {}
    names = [f"{class_id}-{n}" for n in range(number)]
    return [
        Group(n, {class_id: 1}, frozenset({before[n]} if n in before else set())) for n in names
    ]


GROUPS = st.lists(
    st.builds(
        dict.fromkeys,
        st.sets(st.integers(1, 4), min_size=1, max_size=2),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=40,
).map(lambda pictures: [Group(f"g{k}", p) for k, p in enumerate(pictures)])


def filled(groups: list[Group], splits: dict[str, Split]) -> dict[int, Counter[Split]]:
    counts: dict[int, Counter[Split]] = defaultdict(Counter)
    for group in groups:
        for class_id, number in group.pictures.items():
            counts[class_id][splits[group.id]] += number
    return counts


@given(groups=GROUPS, seed=st.integers(0, 99))
def test_a_class_is_in_every_split_or_wholly_in_train(groups: list[Group], seed: int) -> None:
    splits, small = assign(groups, SHARES, seed)
    assert splits.keys() == {group.id for group in groups}
    for class_id, counts in filled(groups, splits).items():
        assert set(counts) == ({"train"} if class_id in small else set(SPLITS))


@given(number=st.integers(3, 200), seed=st.integers(0, 99))
def test_shares_hold_within_one_group(number: int, seed: int) -> None:
    groups = singles(1, number)
    splits, _ = assign(groups, SHARES, seed)
    counts = filled(groups, splits)[1]
    assert all(abs(counts[split] - SHARES[split] * number) <= 1 for split in ("val", "test"))


@given(sizes=st.lists(st.integers(1, 8), min_size=10, max_size=60), seed=st.integers(0, 99))
def test_shares_hold_within_the_largest_group(sizes: list[int], seed: int) -> None:
    groups = [Group(f"g{k}", {1: size}) for k, size in enumerate(sizes)]
    splits, _ = assign(groups, SHARES, seed)
    counts = filled(groups, splits)[1]
    for split in ("val", "test"):
        assert abs(counts[split] - SHARES[split] * sum(sizes)) <= max(sizes)


@given(first=st.integers(3, 60), more=st.integers(0, 60), seed=st.integers(0, 9))
def test_growth_moves_nothing(first: int, more: int, seed: int) -> None:
    before, _ = assign(singles(1, first), SHARES, seed)
    after, _ = assign(singles(1, first + more, before), SHARES, seed)
    assert {name: after[name] for name in before} == before


def test_another_seed_gives_another_split() -> None:
    groups = singles(1, 50)
    assert assign(groups, SHARES, 0) == assign(groups[::-1], SHARES, 0)
    assert assign(groups, SHARES, 0) != assign(groups, SHARES, 1)
    assert seeded("x", 0) != seeded("x", 1)


def test_a_class_with_too_few_groups_trains_and_is_named() -> None:
    splits, small = assign([*singles(1, 2), *singles(2, 9)], SHARES, 0)
    assert small == {1}
    assert {splits["1-0"], splits["1-1"]} == {"train"}


def test_a_split_without_a_share_stays_empty() -> None:
    shares: dict[Split, float] = {"train": 0.5, "val": 0.5, "test": 0.0}
    groups = singles(1, 2)
    splits, _ = assign(groups, shares, 0)
    assert set(splits.values()) == {"train", "val"}


def test_a_group_that_unites_old_splits_trains() -> None:
    united = Group("u", {1: 2}, frozenset({"val", "test"}))
    forced = Group("f", {1: 1}, frozenset({"test"}), only_train=True)
    splits, _ = assign([*singles(1, 9), united, forced], SHARES, 0)
    assert splits["u"] == splits["f"] == "train"


@given(
    links=st.lists(
        st.builds(
            lambda a, b, d, c: near(f"{min(a, b):02}", f"{max(a, b):02}", d, duplicate=c and d < 9),
            st.integers(0, 29), st.integers(0, 29), st.integers(0, 12), st.booleans(),
        ).filter(lambda link: link.first != link.second),
        max_size=60,
    )
)  # fmt: skip
@settings(max_examples=60)
def test_groups_hold_every_picture_once_and_never_part_copies(links: list[Link]) -> None:
    names = [f"{n:02}" for n in range(30)]
    groups, chains = leak_groups(names, links, largest=8)
    assert sorted(name for group in groups for name in group) == names
    place = {name: k for k, group in enumerate(groups) for name in group}
    assert all(place[x.first] == place[x.second] for x in links if x.duplicate)
    if not chains:
        assert all(place[x.first] == place[x.second] for x in links)
    copies = [x for x in links if x.duplicate]
    for group in groups:
        assert (
            len(group) <= 8 or len(components(group, [x for x in copies if x.first in group])) == 1
        )


def test_a_chain_is_cut_at_its_longest_links() -> None:
    names = [f"{n:02}" for n in range(12)]
    links = [near(a, b, 12 if a == "05" else 9) for a, b in pairwise(names)]
    groups, chains = leak_groups(names, links, largest=8)
    assert list(map(len, groups)) == [6, 6]
    assert chains == [{"first": "00", "size": 12, "parts": [6, 6]}]
    assert (largest_group(100), largest_group(1000), largest_group(10**6)) == (8, 20, 50)


def test_copies_stay_together_when_nearer_look_alikes_are_parted() -> None:
    names = [f"{n:02}" for n in range(12)]
    links = [near(a, b, 8, duplicate=a != "05") for a, b in pairwise(names)]
    links[2] = near("02", "03", 9, duplicate=True)
    groups, _ = leak_groups(names, links, largest=8)
    assert list(map(len, groups)) == [6, 6]


def test_a_better_copy_inherits_the_split_of_the_one_it_replaces() -> None:
    kept = [KeptPicture(1, "new", "", "", 1, 1, 1, 0, "", "", "")]
    last = {(1, "old"): EarlierSplit(1, "test")}
    assert earlier_splits(last, kept, {(1, "old"): (1, "new")}) == {"new": {"test"}}
    last[1, "new"] = EarlierSplit(1, "val")
    assert earlier_splits(last, kept, {(1, "old"): (1, "new")}) == {"new": {"val"}}


def test_the_copy_that_was_published_last_is_the_one_that_is_replaced() -> None:
    kept = [KeptPicture(1, "new", "", "", 1, 1, 1, 0, "", "", "")]
    last = {(1, "old"): EarlierSplit(1, "test"), (1, "better"): EarlierSplit(4, "val")}
    replaced = {(1, "old"): (1, "new"), (1, "better"): (1, "new")}
    assert earlier_splits(last, kept, replaced) == {"new": {"val"}}


def test_a_picture_of_two_classes_stands_where_it_stood_last() -> None:
    kept = [KeptPicture(1, "x", "", "", 1, 1, 1, 0, "", "", "")]
    last = {(1, "x"): EarlierSplit(1, "test"), (2, "x"): EarlierSplit(3, "train")}
    assert earlier_splits(last, kept, {}) == {"x": {"train"}}


def test_a_class_that_lost_its_only_test_group_spares_another_one() -> None:
    old = {f"g{n}": "train" for n in range(8)} | {"v": "val"}
    groups = [Group(name, {1: 1}, frozenset({split})) for name, split in old.items()]  # type: ignore[arg-type]
    groups += [Group(f"b{n}", {2: 1}) for n in range(10)]
    splits, small = assign(groups, {"train": 0.8, "val": 0.1, "test": 0.1}, seed=0)
    assert small == frozenset()
    moved = [name for name, split in old.items() if splits[name] != split]
    assert len(moved) == 1
    assert splits[moved[0]] == "test"


def test_a_class_that_grew_to_three_groups_is_in_every_split() -> None:
    groups = [Group("a", {1: 1}, frozenset({"train"})), Group("b", {1: 1}, frozenset({"train"}))]
    splits, _ = assign(
        [*groups, Group("c", {1: 1})], {"train": 0.8, "val": 0.1, "test": 0.1}, seed=0
    )
    assert set(splits.values()) == {"train", "val", "test"}
