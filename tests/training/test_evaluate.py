import unicodedata
from pathlib import Path

import pytest

from pipeline.class_list import slug_of
from pipeline.errors import MissingInputError, UsageError
from training.evaluate import folder_examples

NAMES = ("Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a|b", "plain")


def test_a_folder_is_a_class_by_display_name_or_folder_name(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", NAMES[0])
    for name in (decomposed, slug_of("a|b"), "plain"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "x.jpg").write_bytes(b"x")
        (tmp_path / name / ".hidden").write_bytes(b"x")
    found = folder_examples(tmp_path, NAMES)
    assert sorted(example.label for example in found) == [0, 1, 2]
    assert {example.path.name for example in found} == {"x.jpg"}


def test_a_folder_that_is_no_class_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "Plain").mkdir()
    with pytest.raises(UsageError, match="'Plain'") as caught:
        folder_examples(tmp_path, NAMES)
    assert caught.value.exit_code == 2


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere"):
        folder_examples(tmp_path / "nowhere", NAMES)
