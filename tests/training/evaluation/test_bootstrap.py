import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceneset.bundle.gradcam import softmax
from training.evaluation.metrics import (
    intervals,
    measure,
    percentiles,
    reversed_percentiles,
    weighted_figures,
)

NAMES = ("a", "b", "c", "d")


def drawn(count: int, seed: int, *, sure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw answers and, with the probabilities they would have at sure = 1, the true labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, len(NAMES)))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return softmax(logits * sure), labels


@given(st.integers(0, 500), st.integers(1, 40))
def test_with_every_picture_counted_once_the_figures_are_those_measured(
    seed: int, count: int
) -> None:
    answers, labels = drawn(count, seed)
    measured = measure(answers, labels, NAMES).headline()
    for name, weigh in weighted_figures(answers, labels).items():
        assert weigh(np.ones(count)) == pytest.approx(measured[name])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500), st.integers(2, 30))
def test_an_interval_holds_the_measured_figure_and_stays_a_share(seed: int, count: int) -> None:
    answers, labels = drawn(count, seed)
    measured = measure(answers, labels, NAMES).headline()
    for name, found in intervals(answers, labels, np.arange(count), resamples=40).items():
        assert found is not None
        assert 0 <= found.low <= measured[name] <= found.high <= 1


def test_the_same_seed_gives_the_same_intervals_and_another_does_not() -> None:
    answers, labels = drawn(60, 1)
    first, again, other = (
        intervals(answers, labels, np.arange(60), seed=seed, resamples=50) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_share_lies_where_the_normal_approximation_has_it() -> None:
    answers, labels = drawn(400, 3)
    found = intervals(answers, labels, np.arange(400))["top1"]
    share = measure(answers, labels, NAMES).top1
    assert found is not None
    assert share is not None
    spread = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert found == pytest.approx((share - spread, share + spread), abs=0.015)


def test_pictures_of_one_group_are_no_independent_evidence() -> None:
    answers, labels = drawn(50, 4)
    four = np.repeat(answers, 4, axis=0), np.repeat(labels, 4)
    together = intervals(*four, np.repeat(np.arange(50), 4))["top1"]
    apart = intervals(*four, np.arange(200))["top1"]
    assert together is not None
    assert apart is not None
    assert together.high - together.low > 1.7 * (apart.high - apart.low)


def test_one_group_says_nothing_of_the_spread_and_no_picture_neither() -> None:
    answers, labels = drawn(3, 5)
    none = {"top1": None, "top3": None, "macro_f1": None, "ece": None}
    assert intervals(answers, labels, np.zeros(3, np.int64)) == none
    assert intervals(answers[:0], labels[:0], np.zeros(0, np.int64)) == none


@pytest.mark.parametrize("right", [True, False])
def test_a_share_of_all_or_nothing_is_as_uncertain_as_its_groups_are_few(*, right: bool) -> None:
    answers = np.tile([0.7, 0.2, 0.06, 0.04], (40, 1))
    labels = np.full(40, 0 if right else 3)
    apart = intervals(answers, labels, np.arange(40), resamples=10)
    pairs = intervals(answers, labels, np.arange(40) // 2, resamples=10)
    for name in ("top1", "top3", "macro_f1"):
        # 40 / (40 + 1.96^2) = 0.912, 20 / (20 + 1.96^2) = 0.839: Wilson's for 40 of 40, 20 of 20
        expected = [(0.9124, 1.0), (0.8389, 1.0)] if right else [(0.0, 0.0876), (0.0, 0.1611)]
        assert [apart[name], pairs[name]] == [pytest.approx(one, abs=1e-4) for one in expected]


def test_the_interval_of_the_ece_holds_the_truth_where_plain_percentiles_never_do() -> None:
    everything, truths = drawn(100_000, 6, sure=1.15)
    true = weighted_figures(everything, truths)["ece"](np.ones(100_000))
    held = [0, 0]
    for trial in range(30):
        part = slice(300 * trial, 300 * (trial + 1))
        figures = weighted_figures(everything[part], truths[part])["ece"]
        rng = np.random.default_rng(trial)
        values = np.array([figures(rng.multinomial(300, np.full(300, 1 / 300))) for _ in range(99)])
        for place, way in enumerate((percentiles, reversed_percentiles)):
            low, high = way(values, figures(np.ones(300)))
            held[place] += low <= true <= high
    assert held[0] <= 10
    assert held[1] >= 24
