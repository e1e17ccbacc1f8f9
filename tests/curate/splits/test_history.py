"""Where a picture stood it stays, whatever came, went and came back between."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.curate import Adopt, Classes, run, sha, splits_of

from curate.decisions import Decisions
from curate.duplicates.links import Link
from curate.features import cache
from curate.settings import CurateSettings
from curate.splits.assign import (
    EarlierSplit,
    Partition,
    SplitHistory,
    components,
    partition,
    split_history,
)
from sceneset.class_list import SceneClass
from sceneset.dataset import create_dataset
from sceneset.manifest.rows import ImageRow, KeptPicture, OverrideRow, Split, SplitRow
from sceneset.manifest.store import Manifest, now

SETTINGS = CurateSettings()
# These are in every run, so that no class ever lacks a picture for a split.
STAYING = [f"{c}s{n:02}" for c in "12" for n in range(12)]
COMING = [f"{c}c{n:02}" for c in "12" for n in range(12)]


def kept(name: str) -> KeptPicture:
    return KeptPicture(int(name[0]), name, "", "", 9, 9, 9, 0, "", "", "")


class Runs:
    """Runs one after another, as the manifest remembers them."""

    def __init__(self) -> None:
        self.splits: list[Partition] = []
        self.stood: dict[tuple[int, str], EarlierSplit] = {}

    def parted(self, first: str, second: str) -> bool:
        return any(
            r.split_of.get(first, "x") != r.split_of.get(second, "x")
            for r in self.splits
            if {first, second} <= r.split_of.keys()
        )

    def run(self, names: set[str], links: list[Link]) -> Partition:
        pictures = [kept(name) for name in sorted(names)]
        decisions = Decisions(pictures, {}, {}, [], frozenset(), {})
        own = [link for link in links if set(link.pair) <= names]
        stood = dict(sorted(self.stood.items(), key=lambda item: item[1].run_id))
        parts = partition(decisions, own, SETTINGS, SplitHistory(stood, parted=self.parted))
        self.splits.append(parts)
        number = len(self.splits)
        self.stood |= {
            (int(name[0]), name): EarlierSplit(number, split)
            for name, split in parts.split_of.items()
        }
        return parts


LINKS = st.lists(
    st.builds(
        lambda pair, d, c: Link(*sorted(pair), d, "whole", duplicate=c),
        st.lists(st.sampled_from(COMING), min_size=2, max_size=2, unique=True),
        st.integers(0, 12),
        st.booleans(),
    ),
    max_size=6,
)


@given(
    present=st.lists(st.sets(st.sampled_from(COMING)), min_size=2, max_size=7),
    links=LINKS,
)
def test_only_a_group_that_unites_splits_moves_and_only_to_train(
    present: list[set[str]], links: list[Link]
) -> None:
    runs = Runs()
    for names in (set[str](), *present):
        last = {name: stood.split for (_, name), stood in runs.stood.items()}
        every = {*STAYING, *names}
        parts = runs.run(every, links)
        groups = components(every, [link for link in links if set(link.pair) <= every])
        united = {
            n
            for group, _ in groups
            if len({last.get(m) for m in group} - {None}) > 1
            for n in group
        }
        moved = {name for name in every & last.keys() if parts.split_of[name] != last[name]}
        assert moved <= united
        assert {parts.split_of[name] for name in moved} <= {"train"}
        assert {(key[1], was) for key, was, _ in parts.moved} == {(n, last[n]) for n in moved}
        assert all(
            parts.split_of[x.first] == parts.split_of[x.second]
            for x in links
            if set(x.pair) <= every
        )


def test_look_alikes_that_were_never_published_together_are_united() -> None:
    link = Link("1c00", "1c01", 11, "whole", duplicate=False)
    first: dict[tuple[int, str], EarlierSplit] = {
        (1, "1c00"): EarlierSplit(1, "test"),
        (1, "1c01"): EarlierSplit(2, "val"),
    }
    names = [*STAYING, "1c00", "1c01"]
    found = Decisions([kept(n) for n in names], {}, {}, [], frozenset(), {})
    parts = partition(found, [link], SETTINGS, SplitHistory(first))
    assert parts.split_of["1c00"] == parts.split_of["1c01"] == "train"
    assert len(parts.moved) == 2
    apart = partition(found, [link], SETTINGS, SplitHistory(first, parted=lambda *_: True))
    assert (apart.split_of["1c00"], apart.split_of["1c01"]) == ("test", "val")


def test_a_picture_that_was_out_for_a_run_comes_back_to_its_split(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    stood = splits_of(dataset)
    tested = [sha(data) for data in two_classes["A"] if stood[sha(data)] != "train"]
    with Manifest(dataset.manifest_path) as manifest:
        manifest.insert([OverrideRow(s, 1, "drop", None, "", now()) for s in tested])
    run(dataset)
    others = splits_of(dataset)
    with Manifest(dataset.manifest_path) as manifest:
        manifest.insert([OverrideRow(s, 1, "keep", None, "", now()) for s in tested])
    run(dataset)
    back = splits_of(dataset)
    assert {s: back[s] for s in tested} == {s: stood[s] for s in tested}
    assert {s: back[s] for s in others} == others


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(create_dataset(tmp_path / "set").manifest_path)


def record(
    manifest: Manifest, outcome: str | None, splits: dict[str, Split], **options: object
) -> None:
    settings = {**CurateSettings().shaping, **options}
    versions = cache.versions(exact=bool(settings["exact_hash"]))
    run_id = manifest.start_run("curate", settings, versions)
    manifest.insert([ImageRow(name, "", "", 1, 1, 1, "") for name in splits])
    manifest.insert([SplitRow(run_id, 1, name, "g", split, "") for name, split in splits.items()])
    if outcome:
        manifest.finish_run(run_id, outcome, {})


def test_only_runs_that_published_say_where_pictures_stood(manifest: Manifest) -> None:
    with manifest:
        manifest.adopt_classes([SceneClass("A", ("A",))])
        assert split_history(manifest, SETTINGS) == SplitHistory({})
        record(manifest, "published", {"a": "test", "b": "val", "c": "train"})
        record(manifest, "published", {"a": "train", "b": "val"})
        record(manifest, "failed", {"a": "val", "d": "test"})
        record(manifest, None, {"b": "train", "c": "test"})
        found = split_history(manifest, SETTINGS)
    stood = {
        (1, "a"): EarlierSplit(2, "train"),
        (1, "b"): EarlierSplit(2, "val"),
        (1, "c"): EarlierSplit(1, "train"),
    }
    assert found.earlier == stood
    assert next(iter(found.earlier)) == (1, "c")
    assert found.sticky


def test_splits_from_before_another_seed_are_forgotten(manifest: Manifest) -> None:
    with manifest:
        manifest.adopt_classes([SceneClass("A", ("A",))])
        record(manifest, "published", {"a": "test", "b": "val"})
        record(manifest, "published", {"a": "train"}, seed=1)
        assert split_history(manifest, SETTINGS).earlier == {(1, "a"): EarlierSplit(2, "train")}
        assert not split_history(manifest, SETTINGS).sticky
        assert split_history(manifest, CurateSettings(seed=1)).sticky


def test_only_a_run_with_the_same_radii_has_parted_look_alikes(manifest: Manifest) -> None:
    with manifest:
        manifest.adopt_classes([SceneClass("A", ("A",))])
        record(manifest, "published", {"a": "test", "b": "val", "c": "test"})
        record(manifest, "published", {"c": "train", "d": "val"}, leak_radius=10)
        parted = split_history(manifest, SETTINGS).parted
        assert parted("a", "b")
        assert not parted("a", "c")
        assert not parted("c", "d")
        assert not parted("a", "d")


def test_a_run_with_another_hash_has_not_parted_look_alikes(manifest: Manifest) -> None:
    with manifest:
        manifest.adopt_classes([SceneClass("A", ("A",))])
        record(manifest, "published", {"a": "test", "b": "val"}, exact_hash=True)
        assert not split_history(manifest, SETTINGS).parted("a", "b")
        assert split_history(manifest, CurateSettings(exact_hash=True)).parted("a", "b")
