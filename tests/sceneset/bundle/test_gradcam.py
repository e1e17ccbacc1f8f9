import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.bundle.gradcam import Dense, heat_map, read_head


def a_head(rng: np.random.Generator) -> list[Dense]:
    return [
        Dense(rng.normal(0, 1, (6, 5)), rng.normal(0, 1, 5), relu=True),
        Dense(rng.normal(0, 1, (5, 3)), rng.normal(0, 1, 3), relu=False),
    ]


def log_odds(pooled: np.ndarray, head: list[Dense], label: int) -> float:
    """From the logits: the odds of a probability near 1 have lost their digits."""
    hidden = np.maximum(pooled @ head[0].kernel + head[0].bias, 0)
    logits = hidden @ head[1].kernel + head[1].bias
    return float(logits[label] - np.logaddexp.reduce(np.delete(logits, label)))


@given(st.integers(0, 200), st.integers(0, 2))
def test_the_weights_are_the_gradient_of_the_log_odds(seed: int, label: int) -> None:
    rng = np.random.default_rng(seed)
    head, pooled = a_head(rng), rng.normal(0, 1, 6)
    found = read_head(pooled, head, label).weights
    for place, step in enumerate(np.eye(6) * 1e-6):
        rise = log_odds(pooled + step, head, label) - log_odds(pooled - step, head, label)
        assert rise / 2e-6 == pytest.approx(found[place], abs=1e-3)


def test_the_top_class_is_read_when_none_is_asked_for() -> None:
    head = [Dense(np.eye(3), np.zeros(3), relu=False)]
    found = read_head(np.array([0.0, 2.0, 1.0]), head)
    assert found.label == 1
    assert found.probability == pytest.approx(np.exp(2) / (1 + np.exp(2) + np.e))
    assert read_head(np.array([0.0, 2.0, 1.0]), head, 0).label == 0


def test_a_class_that_is_certain_still_has_a_map() -> None:
    head = [Dense(np.eye(2) * 900, np.zeros(2), relu=False)]
    found = read_head(np.array([1.0, 0.0]), head)
    assert found.probability == 1.0
    assert found.weights == pytest.approx([900, -900])


def test_the_map_is_hot_where_the_channels_of_the_class_are_and_nowhere_else() -> None:
    features = np.zeros((3, 4, 2), np.float32)
    features[1, 2] = 5.0, 0.0
    features[0, 0] = 0.0, 5.0
    found = heat_map(features, np.array([9.0, 1.0, -1.0]))  # another tap's weight comes first
    assert found.dtype == np.float32
    assert found.shape == (3, 4)
    assert found[1, 2] == 1.0
    assert found.sum() == 1.0


def test_where_nothing_speaks_for_the_class_the_map_is_empty() -> None:
    assert heat_map(np.ones((2, 2, 1)), np.array([-1.0])).tolist() == [[0, 0], [0, 0]]
