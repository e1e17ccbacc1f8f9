import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceneset.bundle.gradcam import softmax
from training.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    choose_temperature,
    fit_temperature,
    without_temperature,
)
from training.evaluation.metrics import cross_entropy


def drawn_labels(logits: np.ndarray, seed: int) -> np.ndarray:
    """Draw a label per row with the probabilities that the logits mean."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(len(row), p=row) for row in softmax(logits)])


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_logits_that_are_too_large_by_a_factor_get_that_temperature(scale: float) -> None:
    honest = np.random.default_rng(1).normal(0, 2, (4000, 5))
    assert fit_temperature(honest * scale, drawn_labels(honest, 2)) == pytest.approx(scale, rel=0.1)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.3, 10))
def test_no_other_temperature_has_a_lower_cross_entropy(seed: int, other: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 4, (40, 3)), rng.integers(0, 3, 40)
    best = fit_temperature(logits, labels)
    assert (
        cross_entropy(softmax(logits / best), labels)
        <= cross_entropy(softmax(logits / other), labels) + 1e-9
    )


def test_a_model_that_is_always_or_never_right_stays_within_bounds() -> None:
    logits = np.tile([9.0, 0.0], (50, 1))
    assert fit_temperature(logits, np.zeros(50, np.int64)) == pytest.approx(COLDEST)
    assert fit_temperature(logits, np.ones(50, np.int64)) == pytest.approx(HOTTEST)


def test_too_few_pictures_leave_the_probabilities_alone() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, np.int64)) == 1.0
    assert fit_temperature(np.tile([9.0, 0.0], (29, 1)), np.zeros(29, np.int64)) == 1.0


def test_the_temperature_can_be_taken_out_again() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (20, 4))
    assert without_temperature(softmax(logits / 2.5), 2.5) == pytest.approx(softmax(logits))


def test_a_temperature_that_raises_the_ece_of_validation_is_not_used() -> None:
    rng = np.random.default_rng(0)
    vetoed = used = 0
    for _ in range(60):
        logits = rng.normal(0, 2, (60, 4)) * rng.choice([0.9, 1.0, 2.0])
        found = choose_temperature(logits, drawn_labels(logits, int(rng.integers(999))))
        assert found.ece_at_one is not None
        assert found.ece_at_fitted is not None
        if found.why:
            vetoed += 1
            assert (found.chosen, found.ece_at_fitted > found.ece_at_one) == (1.0, True)
            assert f"{found.fitted:.3f}" in found.why
        else:
            used += 1
            assert found.chosen == found.fitted
            assert found.ece_at_fitted <= found.ece_at_one
    assert vetoed
    assert used


def test_fewer_than_thirty_validation_pictures_are_said_to_be_too_few() -> None:
    found = choose_temperature(np.zeros((29, 3)), np.zeros(29, np.int64))
    assert (found.chosen, found.ece_at_one) == (1.0, None)
    assert "29 validation pictures" in found.why
