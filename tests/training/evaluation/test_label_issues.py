import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.label_issues import (
    far_rows,
    fold_of,
    judge_labels,
    neighbour_votes,
    rank_issues,
)

CLASSES = 4


def clouds(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw embeddings around one place per class, and their true labels."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 1, (CLASSES, 20))
    labels = rng.integers(0, CLASSES, count)
    return (places[labels] + rng.normal(0, 0.7, (count, 20))).astype(np.float32), labels


def wrong_labels(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < share
    other = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    return np.where(wrong, other, labels), wrong


def test_injected_wrong_labels_are_found_with_the_right_class_beside_them() -> None:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  takes seconds to import

    rows, true = clouds(400)
    labels, wrong = wrong_labels(true, 0.1, 1)
    found = judge_labels(rows, labels, np.arange(400), CLASSES)
    doubt = 1 - found.probabilities[np.arange(400), labels]
    assert roc_auc_score(wrong, doubt) > 0.98
    listed = [one for one in rank_issues(found, labels) if one.kind == "label"]
    hits = sum(wrong[one.row] for one in listed)
    assert 2 * hits / (len(listed) + wrong.sum()) > 0.9
    assert np.mean([one.other == true[one.row] for one in listed if wrong[one.row]]) > 0.9
    assert [one.score for one in listed] == sorted((one.score for one in listed), reverse=True)


def test_copies_in_one_leak_group_do_not_vouch_for_each_other() -> None:
    rows, true = clouds(200)
    labels = true.copy()
    labels[:6] = (true[0] + 1) % CLASSES
    rows[:6] = rows[0] + np.random.default_rng(0).normal(0, 1e-3, (6, 20))
    apart, together = np.arange(200), np.maximum(np.arange(200), 5) - 5
    shares, distance = neighbour_votes(rows, labels, together, CLASSES)
    vouched, near = neighbour_votes(rows, labels, apart, CLASSES)
    assert shares[0, labels[0]] < 0.1
    assert vouched[0, labels[0]] > 0.3
    assert distance[0] > near[0] + 0.05
    found = rank_issues(judge_labels(rows, labels, together, CLASSES), labels)
    assert {one.row for one in found if one.kind == "label"} >= set(range(6))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=80))
def test_a_group_stays_in_one_fold(pictures: list[tuple[int, int]]) -> None:
    labels, names = (np.array(side) for side in zip(*pictures, strict=True))
    groups = np.unique(names, return_inverse=True)[1]
    folds = fold_of(labels, groups)
    assert set(folds) <= set(range(5))
    for group in range(groups.max() + 1):
        assert len(set(folds[groups == group])) == 1


def test_every_fold_has_its_share_of_every_class() -> None:
    labels = np.repeat(np.arange(4), 50)
    folds = fold_of(labels, np.arange(200))
    assert all((np.bincount(folds[labels == one]) == 10).all() for one in range(4))


def test_a_picture_unlike_all_others_is_an_outlier() -> None:
    rows, labels = clouds(300)
    rows[7] = -30 * rows[7] + np.random.default_rng(9).normal(0, 20, 20)
    found = rank_issues(judge_labels(rows, labels, np.arange(300), CLASSES), labels)
    outliers = [one for one in found if one.kind == "outlier"]
    assert outliers[0].row == 7
    assert len(outliers) < 6
    assert far_rows(np.ones(10)) == []


@pytest.mark.parametrize("count", [1, 2, 4, 12])
def test_too_few_pictures_to_judge_by_give_no_label_issue(count: int) -> None:
    rows, _ = clouds(count)
    labels = np.arange(count) % 3
    found = rank_issues(judge_labels(rows, labels, np.arange(count), 3), labels)
    assert [one for one in found if one.kind == "label"] == []


def test_one_class_alone_is_no_label_issue() -> None:
    rows, _ = clouds(40)
    found = rank_issues(
        judge_labels(rows, np.zeros(40, np.int64), np.arange(40), 2), np.zeros(40, int)
    )
    assert [one for one in found if one.kind == "label"] == []
