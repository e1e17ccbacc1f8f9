from dataclasses import replace

import pytest

from curate.decisions import Conflict, Key, apply_overrides, find_conflicts, settle
from curate.duplicates.links import Link
from sceneset.manifest.rows import KeptPicture, OverrideRow

A, B, C = 1, 2, 3


def picture(class_id: int, sha256: str, rank: int = 0) -> KeptPicture:
    return KeptPicture(class_id, sha256, f"raw/{sha256}", "JPEG", 9, 9, 9, rank, "", "", "")


def order(*pictures: KeptPicture) -> dict[Key, tuple[object, ...]]:
    return {(p.class_id, p.sha256): (p.rank, p.sha256) for p in pictures}


def override(sha256: str, class_id: int, action: str, new: int | None = None) -> OverrideRow:
    return OverrideRow(sha256, class_id, action, new, "", "")


SAME = Conflict((A, "x"), (B, "x"), 0, "pixels")
NEAR = Conflict((A, "x"), (B, "y"), 6, "whole")


def test_the_same_file_and_copies_under_two_classes_are_conflicts() -> None:
    pictures = [picture(A, "x"), picture(B, "x"), picture(B, "y"), picture(B, "z")]
    links = [
        Link("x", "y", 6, "whole", duplicate=True),
        Link("y", "z", 6, "whole", duplicate=True),
        Link("x", "z", 11, "whole", duplicate=False),
    ]
    assert find_conflicts(pictures, links) == [SAME, NEAR]


def test_quarantine_drops_both_sides_and_their_copies() -> None:
    ranks = order(picture(A, "x"), picture(B, "y"), picture(B, "z"), picture(A, "w"))
    drops, _ = settle([NEAR], "quarantine", ranks, copies={"y": {"z", "x"}, "x": {"y"}})
    assert set(drops) == {(A, "x"), (B, "y"), (B, "z")}
    assert drops[A, "x"] == ("conflict", "y", 6)


def test_best_rank_keeps_the_class_where_the_picture_ranked_best() -> None:
    ranks = order(picture(A, "x", 5), picture(B, "x", 3), picture(C, "x", 9))
    conflicts = [SAME, Conflict((A, "x"), (C, "x"), 0, "pixels"), Conflict((B, "x"), (C, "x"), 0, "pixels")]  # fmt: skip
    drops, _ = settle(conflicts, "best-rank", ranks, copies={})
    assert set(drops) == {(A, "x"), (C, "x")}


def test_train_only_drops_nothing_and_names_all_copies() -> None:
    ranks = order(picture(A, "x"), picture(B, "y"))
    drops, only_train = settle([NEAR], "train-only", ranks, copies={"x": {"w"}})
    assert drops == {}
    assert only_train == {"x", "y", "w"}


@pytest.mark.parametrize("policy", ["quarantine", "best-rank", "train-only"])
def test_what_a_person_kept_stands_whatever_the_policy(policy: str) -> None:
    ranks = order(picture(A, "x", 9), picture(B, "y", 1))
    drops, _ = settle([NEAR], policy, ranks, copies={}, kept=frozenset({(A, "x")}))  # type: ignore[arg-type]
    assert set(drops) == {(B, "y")}


def test_a_person_drops_keeps_and_relabels() -> None:
    pictures = [picture(A, "x"), picture(A, "y"), picture(A, "z")]
    overrides = {
        ("x", A): override("x", A, "drop"),
        ("y", A): override("y", A, "keep"),
        ("z", A): override("z", A, "relabel", B),
    }
    reviewed = apply_overrides(pictures, overrides)
    assert reviewed.pictures == [pictures[1], replace(pictures[2], class_id=B)]
    assert {key: drop.reason for key, drop in reviewed.drops.items()} == {
        (A, "x"): "person",
        (A, "z"): "person",
    }
    assert reviewed.kept == {(A, "y"), (B, "z")}
