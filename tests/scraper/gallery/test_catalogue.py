from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceneset.class_list import SceneClass
from scraper.gallery.catalogue import Catalogue, drawn_classes, folder_classes, plan_class


def _letters(name: str) -> tuple[bytes, ...]:
    return tuple(f"{name} {number}".encode() for number in range(40))


@pytest.fixture(name="drawn")
def _drawn() -> Catalogue:
    classes = [SceneClass("Car", ("car", "motor car")), SceneClass("Text document", ("text",))]
    classes = drawn_classes(classes, _letters, per_class=8, share=0.25, seed=0)
    return Catalogue(classes)


@settings(deadline=None)
@given(st.integers(1, 120), st.floats(0, 0.9), st.integers(0, 5))
def test_a_plan_has_the_asked_share_and_every_copy_has_an_original(
    per_class: int, share: float, seed: int
) -> None:
    plans = plan_class("A", "B", per_class, share, seed=seed)
    originals = {plan.original for plan in plans if plan.kind == "original"}
    assert len(plans) == per_class
    assert len(originals) == per_class - min(round(per_class * share), per_class - 1)
    assert {plan.original for plan in plans} <= originals


def test_a_plan_of_forty_holds_every_kind() -> None:
    kinds = Counter(plan.kind for plan in plan_class("A", "B", 40, 0.25, seed=0))
    assert kinds["original"] == 30
    assert set(kinds) == {
        "original", "exact", "near", "mirrored", "cropped", "two_classes", "broken", "placeholder",
    }  # fmt: skip


def test_a_class_alone_shares_no_picture() -> None:
    assert all(plan.kind != "two_classes" for plan in plan_class("A", None, 40, 0.25, seed=0))


def test_a_class_is_found_by_name_and_by_its_queries_in_any_case(drawn: Catalogue) -> None:
    assert drawn.find("  CAR ") == drawn.find("Motor  Car") == drawn.classes["Car"].results


def test_a_wider_query_gives_an_overlapping_part_in_another_order(drawn: Catalogue) -> None:
    whole, part = drawn.find("car"), drawn.find("red car")
    assert len(part) == 6
    assert set(part) < set(whole)
    assert list(part) != [result for result in whole if result in part]
    assert part == drawn.find("Red Car")
    assert part != drawn.find("blue car")


def test_the_longest_class_name_in_a_query_decides() -> None:
    classes = [SceneClass("Car", ("Car",)), SceneClass("Car race", ("Car race",))]
    catalogue = Catalogue(drawn_classes(classes, _letters, per_class=8, share=0, seed=0))
    assert {result.class_name for result in catalogue.find("old car race")} == {"Car race"}
    assert {result.class_name for result in catalogue.find("old car")} == {"Car"}


@pytest.mark.parametrize("query", ["", "carpet", "scar", "unknown", "ca"])
def test_other_words_find_nothing(drawn: Catalogue, query: str) -> None:
    assert drawn.find(query) == ()


def test_every_result_has_an_id_of_its_own(drawn: Catalogue) -> None:
    results = [result for served in drawn.classes.values() for result in served.results]
    for ids in (
        {r.docid for r in results},
        {r.thumb_id for r in results},
        {r.page for r in results},
    ):
        assert len(ids) == len(results)
    assert drawn.by_thumb[results[3].thumb_id] == results[3]
    assert "unknown" not in drawn.by_thumb


def test_exact_copies_have_the_bytes_of_the_result_they_are_of() -> None:
    classes = [SceneClass("A", ("A",)), SceneClass("B", ("B",))]
    classes = drawn_classes(classes, _letters, per_class=40, share=0.25, seed=1)
    by_docid = {r.docid: r for served in classes for r in served.results}
    copies = [r for r in by_docid.values() if r.kind in {"exact", "two_classes"}]
    assert len(copies) == 6
    for copy in copies:
        assert copy.of is not None
        original = by_docid[copy.of]
        assert original.kind == "original"
        assert copy.read() == original.read()
        assert (copy.class_name == original.class_name) == (copy.kind == "exact")


def test_folders_are_classes_and_files_are_served_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "Cafe\u0301"
    folder.mkdir()
    (folder / "b.jpg").write_bytes(b"second")
    (folder / "a é.png").write_bytes(b"first")
    (folder / ".hidden").write_bytes(b"never")
    (tmp_path / "loose.txt").write_text("no class")
    catalogue = Catalogue(folder_classes(tmp_path))
    results = catalogue.find("CAF\u00c9")
    assert [result.read() for result in results] == [b"first", b"second"]
    assert [result.title for result in results] == ["a é", "b"]
    assert {result.kind for result in results} == {"original"}
    assert list(catalogue.classes) == ["Caf\u00e9"]
