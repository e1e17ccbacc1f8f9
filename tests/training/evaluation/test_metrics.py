import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.metrics import calibration_error, measure, reliability, top_hits

NAMES = ("a", "b", "c", "d")


def one_hot(guesses: list[int]) -> np.ndarray:
    return np.eye(len(NAMES))[guesses]


def test_figures_of_a_case_worked_out_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    found = measure(one_hot([0, 1, 1, 1, 0]), labels, NAMES)
    assert found.top1 == pytest.approx(3 / 5)
    a, b, c, d = (found.per_class[name] for name in NAMES)
    assert (a.precision, a.recall, a.f1, a.support) == (0.5, 0.5, 0.5, 2)
    assert (b.precision, b.recall, b.f1) == (pytest.approx(2 / 3), 1.0, pytest.approx(0.8))
    assert (c.precision, c.recall, c.f1) == (None, 0.0, 0.0)
    assert (d.precision, d.recall, d.f1, d.support) == (None, None, None, 0)
    assert found.macro_f1 == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert found.confusion[0] == [1, 1, 0, 0]


def test_macro_f1_equals_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score  # noqa: PLC0415  takes seconds to import

    rng = np.random.default_rng(3)
    labels, guesses = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    expected = f1_score(labels, guesses, average="macro")
    assert measure(one_hot(list(guesses)), labels, NAMES).macro_f1 == pytest.approx(expected)


def test_no_pictures_give_no_figures_and_valid_json() -> None:
    found = measure(np.empty((0, 4)), np.empty(0, np.int64), NAMES)
    assert set(found.headline().values()) == {None}
    json.dumps(asdict(found), allow_nan=False)


def test_of_equally_probable_classes_the_first_counts_as_more_probable() -> None:
    probabilities = np.full((4, 4), 0.25)
    assert top_hits(probabilities, np.arange(4), 3).mean() == 0.75


def test_a_model_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(probabilities, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert calibration_error(probabilities, np.array([1, 1, 1, 1])) == pytest.approx(0.75)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_every_picture_stands_once_in_the_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    labels, guesses = (np.array(side) for side in zip(*pairs, strict=True))
    found = measure(one_hot(list(guesses)), labels, NAMES)
    assert np.sum(found.confusion) == len(pairs)
    assert [sum(row) for row in found.confusion] == [c.support for c in found.per_class.values()]
    assert found.top1 == pytest.approx(np.trace(np.array(found.confusion)) / len(pairs))


@given(st.integers(0, 200), st.integers(1, 60))
def test_the_bins_of_the_reliability_diagram_add_up_to_the_ece(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(4, 0.5), count)
    labels = rng.integers(0, 4, count)
    bins = reliability(probabilities, labels)
    assert sum(one.pictures for one in bins) == count
    gaps = [
        one.pictures * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]
    assert sum(gaps) / count == pytest.approx(calibration_error(probabilities, labels))
    for one in bins:
        assert one.confidence is None or one.low <= one.confidence <= one.high + 1e-12
