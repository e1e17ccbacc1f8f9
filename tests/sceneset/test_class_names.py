from pathlib import Path

import pytest

from sceneset.class_names import check_count, read_class_names
from sceneset.errors import MissingInputError, SettingsError


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n.txt", "sky\n\ntext document\r\nmer, été\n"),
        ("n.json", '["sky", "text document", "mer, été"]'),
        ("n.csv", '\ufeffkeys\nsky\ntext document\n"mer, été"\n'),
        ("n.csv", 'category,label\ntext document,1\nsky,0\n"mer, été",2\n'),
        ("n.csv", 'label,category\n1,text document\n0,sky\n2,"mer, été"\n'),
        ("n.csv", 'category,label\n1,text document\n0,sky\n2,"mer, été"\n'),
    ],
)
def test_every_known_form_gives_the_same_names(tmp_path: Path, name: str, text: str) -> None:
    assert read_class_names(written(tmp_path, name, text)) == ("sky", "text document", "mer, été")


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("n.txt", "a\nb\na\n", "2 times"),
        ("n.txt", "\n", "no class names"),
        ("n.json", '{"a": 1}', "not a JSON list"),
        ("n.json", "[1]", "not a JSON list"),
        ("n.json", "[", "not JSON"),
        ("n.json", "[" * 100_000, "not JSON"),
        ("n.csv", "name\na\n", "header 'name'"),
        ("n.csv", "", "header"),
        ("n.csv", "category,label\na,0\nb,2\n", "0 to 1"),
        ("n.csv", 'keys\na\n""\n', "class 1 of .* is ''"),
        ("n.csv", "keys\na, b\nc\n", "2 values in the row 'a, b'"),
        ("n.csv", 'keys\n"a\nb\nc\n', "is no table"),
        ("n.csv", 'keys\n"a\nb"\nc\n', "class 0 of .* no name"),
        ("n.json", '["a", " "]', "class 1 of .* is ' '"),
        ("n.json", '["a\\nb"]', "class 0 of .* no name"),
    ],
)
def test_files_that_name_no_classes_are_refused(
    tmp_path: Path, name: str, text: str, word: str
) -> None:
    with pytest.raises(SettingsError, match=word):
        read_class_names(written(tmp_path, name, text))


def test_a_missing_file_and_a_wrong_count_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_class_names(tmp_path / "n.txt")
    with pytest.raises(SettingsError, match="holds 2 class names, the model has 3"):
        check_count(("a", "b"), 3, tmp_path / "n.txt")
