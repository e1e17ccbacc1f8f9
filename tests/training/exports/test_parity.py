"""What counts as the same answer, and what fewer bits may cost."""

import errno

import numpy as np
import pytest

from sceneset.errors import DamagedDataError, disk_errno
from training.exports.parity import compare, judge_fewer_bits, require_exact
from training.exports.saved_model import native_work

SURE = np.array([[0.9, 0.1], [0.2, 0.8]])


def answers(right: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return answers to `count` pictures of class 0, the first `right` of them right."""
    rows = np.tile([[0.1, 0.9]], (count, 1))
    rows[:right] = [0.9, 0.1]
    return rows


def test_the_same_answers_are_exact() -> None:
    parity = compare(SURE, SURE + np.array([[5e-5, -5e-5], [0, 0]]))
    assert parity.exact
    assert parity.largest == pytest.approx(5e-5)


def test_a_larger_difference_or_another_class_is_refused_with_its_figures() -> None:
    with pytest.raises(DamagedDataError, match=r"model\.x .* 0 of 2 pictures, .* 0\.0002 apart"):
        require_exact("model.x", compare(SURE, SURE + np.array([[2e-4, -2e-4], [0, 0]])))
    close = np.array([[0.50002, 0.49998]])
    with pytest.raises(DamagedDataError, match="1 of 1 pictures"):
        require_exact("model.x", compare(close, close[:, ::-1]))


def test_which_of_two_equal_probabilities_comes_first_is_no_difference() -> None:
    tie = np.array([[0.5 + 1e-8, 0.5 - 1e-8]])
    assert compare(tie, tie[:, ::-1]).exact


def test_an_answer_that_is_no_number_is_never_the_same() -> None:
    assert not compare(SURE, np.full((2, 2), np.nan)).exact


@pytest.mark.parametrize(
    ("count", "lost", "passed"),
    [(199, 0, False), (200, 1, True), (200, 2, False), (399, 1, True), (400, 2, True)],
)
def test_int8_may_lose_half_a_point_on_pictures_enough_to_see_it(
    count: int, lost: int, *, passed: bool
) -> None:
    labels = np.zeros(count, np.int64)
    gate = judge_fewer_bits("int8", answers(count, count), answers(count - lost, count), labels)
    assert (gate.lost, gate.passed) == (lost, passed)


def test_half_precision_may_always_lose_one_picture() -> None:
    labels = np.zeros(10, np.int64)
    assert judge_fewer_bits("fp16", answers(10, 10), answers(9, 10), labels).passed
    assert not judge_fewer_bits("fp16", answers(10, 10), answers(8, 10), labels).passed
    assert judge_fewer_bits("fp16", answers(8, 10), answers(10, 10), labels).lost == -2
    assert not judge_fewer_bits("fp16", answers(0, 0), answers(0, 0), labels[:0]).passed


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("/m/model.pb; No space left on device", errno.ENOSPC),
        ("Can't write data (file write failed: errno = 28, error message = x)", errno.ENOSPC),
        ("Read-only file system", errno.EROFS),
        ("shapes do not match", None),
    ],
)
def test_a_writers_words_about_the_disk_are_understood(words: str, code: int | None) -> None:
    assert disk_errno(words) == code
    expected = RuntimeError if code is None else OSError
    with pytest.raises(expected) as caught, native_work():
        raise RuntimeError(words)
    assert getattr(caught.value, "errno", None) == code
