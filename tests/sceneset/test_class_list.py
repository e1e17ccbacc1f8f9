from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.class_list import (
    SceneClass,
    label_order,
    name_problem,
    parse_class_list,
    read_class_list,
    slug_of,
)
from sceneset.errors import ClassListError

ROOT = Path(__file__).resolve().parents[2]


def test_the_projects_own_list_has_36_classes() -> None:
    assert len(read_class_list(ROOT / "classes.txt")) == 36


def test_a_line_is_a_name_or_a_name_with_queries() -> None:
    classes = parse_class_list("Beach\n# a comment\n\nNight: night photography | city at night\n")
    assert classes == (
        SceneClass("Beach", ("Beach",)),
        SceneClass("Night", ("night photography", "city at night")),
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("../../etc", "separator"),
        ("a\\b", "separator"),
        ("..", "not a name"),
        (".", "not a name"),
        ("tab\there", "control"),
        ("bell\x07", "control"),
        ("line\u2028separator", "control"),
        ("right\u202eleft", "control"),
        ("x" * 300, "300 bytes"),
        ("é" * 51, "102 bytes"),
        (": only queries", "empty"),
    ],
)
def test_a_refused_name_is_told_with_its_line_number(line: str, word: str) -> None:
    with pytest.raises(ClassListError, match=word) as refusal:
        parse_class_list(f"Beach\n{line}\n")
    assert "line 2" in refusal.value.problem
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("twin", ["beach", "BEACH", "Beach"])
def test_names_equal_after_case_folding_are_refused(twin: str) -> None:
    with pytest.raises(ClassListError, match="already on line 1"):
        parse_class_list(f"Beach\n{twin}\n")


def test_two_spellings_of_one_accent_are_one_name() -> None:
    with pytest.raises(ClassListError, match="already"):
        parse_class_list("caf\u00e9\ncafe\u0301\n")


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n", "\ufeff"])
def test_a_list_without_a_class_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClassListError, match="holds no class"):
        read_class_list(path)


def test_a_missing_list_a_folder_and_bytes_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ClassListError, match="no class list"):
        read_class_list(tmp_path / "none.txt")
    with pytest.raises(ClassListError, match="cannot be read"):
        read_class_list(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClassListError, match="UTF-8"):
        read_class_list(tmp_path / "bytes")


@pytest.mark.parametrize("name", ["Beach", "Text document", "🏖 Beach", "東京", "Café"])
def test_an_ordinary_name_is_its_own_folder(name: str) -> None:
    assert slug_of(name) == name


@pytest.mark.parametrize("name", ["con", "NUL", "com1.x", "what?", ".hidden", "-rf", "dot.", "a*b"])
def test_a_name_some_file_system_refuses_gets_a_safe_folder(name: str) -> None:
    slug = slug_of(name)
    assert slug != name
    assert slug == slug_of(name)
    assert not set(slug) & set('<>:"|?*/\\')


@given(st.text(min_size=1, max_size=40))
def test_no_accepted_name_leaves_its_folder(name: str) -> None:
    if name_problem(name) is None and name.strip():
        slug = slug_of(name)
        assert Path("base", slug).parent == Path("base")
        assert slug not in {"", ".", ".."}


@given(st.lists(st.text(min_size=1, max_size=12), unique_by=str.casefold, max_size=8))
def test_labels_follow_code_points(names: list[str]) -> None:
    assert list(label_order(names)) == sorted(names)
