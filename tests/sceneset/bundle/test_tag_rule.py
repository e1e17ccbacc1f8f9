import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.bundle.reader import open_bundle
from sceneset.bundle.tag_rule import TagRule, read_tag_rule
from sceneset.checksums import hash_files
from sceneset.errors import DamagedDataError

NAMES = ("beach", "text document", "SKY")


@pytest.mark.parametrize(
    ("shares", "tags"),
    [
        ((0.05, 0.92, 0.03), ["Text document"]),
        ((0.05, 0.9, 0.05), ["Text document", "Beach"]),
        ((0.3, 0.1, 0.25), ["Beach", "Sky"]),
        ((0.25, 0.2, 0.25), ["Unknown"]),
        ((0.34, 0.33, 0.33), ["Beach", "Text document"]),
        ((float("nan"),) * 3, ["Unknown"]),
    ],
)
def test_the_published_rule_chooses(shares: tuple[float, ...], tags: list[str]) -> None:
    assert TagRule().tags(shares, NAMES) == tags


def test_fitted_thresholds_choose_otherwise() -> None:
    shares = (0.05, 0.9, 0.05)
    assert TagRule(0.7, 0.5, fitted=True).tags(shares, NAMES) == ["Text document"]
    assert TagRule(1.0, 1.0, fitted=True).tags(shares, NAMES) == ["Unknown"]


def test_one_class_alone_is_that_class_or_unknown() -> None:
    assert TagRule().tags([1.0], ("sky",)) == ["Sky"]
    assert TagRule().tags([0.6], ("sky",)) == ["Unknown"]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_there_are_always_one_or_two_tags(shares: list[float]) -> None:
    names = [f"c{n}" for n in range(len(shares))]
    assert 1 <= len(TagRule().tags(shares, names)) <= 2


@given(st.floats(0, 1), st.floats(0, 2), st.booleans())
def test_a_rule_survives_its_record(alone: float, together: float, fitted: bool) -> None:  # noqa: FBT001  drawn by name
    rule = TagRule(alone, together, fitted)
    assert read_tag_rule(json.loads(json.dumps(rule.as_json()))) == rule


def bundle_with(folder: Path, record: dict[str, object], metrics: object = None) -> Path:
    (folder / "preprocess.json").write_text('{"size": 32, "fit": "crop"}')
    (folder / "class_names.json").write_text(json.dumps(NAMES))
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics))
    files = hash_files(folder, without="bundle.json")
    (folder / "bundle.json").write_text(json.dumps({"format": 1, "files": files, **record}))
    return folder


def test_a_bundle_states_its_rule_in_its_record(tmp_path: Path) -> None:
    rule = TagRule(0.8, 0.6, fitted=True)
    bundle = bundle_with(tmp_path, {"tag_rule": rule.as_json()}, {"tags": {"rule": {"alone": 1}}})
    assert open_bundle(bundle).tag_rule == rule


def test_an_older_bundle_states_it_among_its_metrics_or_nowhere(tmp_path: Path) -> None:
    rule = TagRule(0.8, 0.6, fitted=True)
    (tmp_path / "old").mkdir()
    old = bundle_with(tmp_path / "old", {}, {"tags": {"rule": rule.as_json()}})
    assert open_bundle(old).tag_rule == rule
    (tmp_path / "bare").mkdir()
    assert open_bundle(bundle_with(tmp_path / "bare", {})).tag_rule == TagRule()


@pytest.mark.parametrize(
    "rule", [{}, [], {"alone": "x", "together": 1}, {"alone": 2, "together": 1}]
)
def test_a_record_with_a_rule_that_is_none_is_damaged(tmp_path: Path, rule: object) -> None:
    with pytest.raises(DamagedDataError, match="record cannot be read"):
        open_bundle(bundle_with(tmp_path, {"tag_rule": rule}))
