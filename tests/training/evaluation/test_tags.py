import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.bundle.tag_rule import TagRule
from training.evaluation.evaluation import (
    NEVER,
    fit_rule,
    lowest_threshold,
    tag_outcome,
    tags_given,
)

ANSWERS = np.array(
    [
        [0.91, 0.05, 0.04],  # one tag
        [0.90, 0.06, 0.04],  # not above 0.9: two
        [0.30, 0.30, 0.40],  # two
        [0.25, 0.25, 0.50],  # two
    ]
)


def test_the_rule_gives_one_tag_two_or_none() -> None:
    assert tags_given(ANSWERS, TagRule()).tolist() == [1, 2, 2, 2]
    assert tags_given(np.full((1, 4), 0.25), TagRule()).tolist() == [0]
    assert tags_given(ANSWERS, TagRule(alone=0.4, together=0.75)).tolist() == [1, 1, 0, 1]


def test_right_means_that_the_true_class_is_among_the_tags() -> None:
    answers = np.vstack([ANSWERS, np.full((1, 3), 1 / 3) * [1, 1, 1]])
    rule = TagRule(together=0.68)
    found = tag_outcome(answers, np.array([0, 1, 1, 2, 0]), rule)
    assert (found.one.pictures, found.one.share, found.one.right) == (1, 0.2, 1.0)
    assert (found.two.pictures, found.two.right) == (3, pytest.approx(2 / 3))
    assert (found.unknown.pictures, found.unknown.right) == (1, None)


def test_without_pictures_there_are_no_shares() -> None:
    found = tag_outcome(np.empty((0, 3)), np.empty(0, np.int64), TagRule())
    assert (found.one.pictures, found.one.share, found.one.right) == (0, None, None)


@given(st.integers(0, 300), st.integers(2, 5))
def test_every_picture_gets_one_of_the_three_answers(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.dirichlet(np.full(classes, 0.3), 20)
    found = tag_outcome(answers, rng.integers(0, classes, 20), TagRule())
    assert found.one.pictures + found.two.pictures + found.unknown.pictures == 20


@given(st.integers(0, 300), st.sampled_from([0.6, 0.9, 0.95]))
def test_the_threshold_is_the_lowest_that_is_right_often_enough(seed: int, wanted: float) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(80), 2)
    right = rng.random(80) < scores
    found = lowest_threshold(scores, right, wanted)
    if found < NEVER:
        assert right[scores > found].mean() >= wanted
        assert (scores > found).sum() >= 30
    for lower in np.unique(scores[scores < found]):
        above = scores > lower
        assert above.sum() < 30 or right[above].mean() < wanted


def test_fitted_thresholds_keep_their_promise_on_the_pictures_they_were_fitted_on() -> None:
    rng = np.random.default_rng(1)
    answers = rng.dirichlet(np.full(5, 0.25), 2000)
    labels = (answers.cumsum(axis=1) > rng.random((2000, 1))).argmax(axis=1)
    rule = fit_rule(answers, labels)
    found = tag_outcome(answers, labels, rule)
    assert rule.fitted
    assert found.one.right is not None
    assert found.two.right is not None
    assert 0.95 <= found.one.right < 0.96
    assert 0.90 <= found.two.right < 0.92
    assert found.unknown.pictures > 0


def test_too_few_pictures_leave_the_published_rule() -> None:
    assert fit_rule(np.eye(3)[[0] * 29], np.zeros(29, np.int64)) == TagRule()


def test_answers_that_are_never_right_get_no_tag() -> None:
    rule = fit_rule(np.tile([0.8, 0.2, 0.0], (50, 1)), np.full(50, 2))
    assert (rule.alone, rule.together) == (NEVER, NEVER)
