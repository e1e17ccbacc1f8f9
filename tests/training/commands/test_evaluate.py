import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from sceneset.bundle.reader import Bundle
from sceneset.bundle.tag_rule import TagRule
from sceneset.class_list import slug_of
from sceneset.errors import MissingInputError, UsageError
from training.commands.evaluate import _temperature, folder_examples
from training.data.version import Example
from training.evaluation.evaluation import evaluate_answers, format_evaluation
from training.evaluation.predict import Answers

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


def test_a_bundle_that_states_no_temperature_gets_1(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path, NAMES, 32, "crop", {})
    assert _temperature(bundle) == 1
    (tmp_path / "metrics.json").write_text("no json")
    assert _temperature(bundle) == 1
    (tmp_path / "metrics.json").write_text(json.dumps({"temperature": 2}))
    assert _temperature(bundle) == 2


def test_what_is_measured_is_said_in_a_few_lines() -> None:
    probabilities = np.array([[0.95, 0.05], [0.6, 0.4], [0.4, 0.6]])
    examples = tuple(Example(Path(str(n)), label) for n, label in enumerate((0, 0, 0)))
    found = evaluate_answers(Answers(probabilities, examples, {}, 0.5), 2.0, TagRule())
    top1, ece, tags, speed = format_evaluation(found, 2 / 3)
    assert top1.startswith("top-1 lies in")
    assert "with T = 2.00" in ece
    assert "one tag 33.3 % (right 100.0 %), two tags 66.7 % (right 100.0 %), Unknown 0.0 %" in tags
    assert speed == "6 pictures a second"
    assert found.calibration.before != found.calibration.after
    assert format_evaluation(found, None) == []


def test_no_picture_gives_an_evaluation_without_figures() -> None:
    found = evaluate_answers(Answers(np.empty((0, 2)), (), {}), 1.0, TagRule())
    assert set(found.intervals.values()) == {None}
    assert (found.calibration.ece_after, found.pictures_per_second) == (None, None)


def test_pictures_of_one_leak_group_share_a_number_and_others_have_their_own() -> None:
    groups = ("g", "", "g", "")
    examples = tuple(Example(Path(str(n)), 0, group=group) for n, group in enumerate(groups))
    found = Answers(np.ones((4, 1)), examples, {}).groups
    assert found[0] == found[2]
    assert len(set(found.tolist())) == 3
