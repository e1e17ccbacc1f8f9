import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.inference.service import choose_tags

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
def test_the_documented_rule_chooses(shares: tuple[float, ...], tags: list[str]) -> None:
    assert choose_tags(np.array(shares, np.float64), NAMES) == tags


def test_one_class_alone_is_that_class_or_unknown() -> None:
    assert choose_tags(np.array([1.0], np.float32), ("sky",)) == ["Sky"]
    assert choose_tags(np.array([0.6], np.float32), ("sky",)) == ["Unknown"]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_there_are_always_one_or_two_tags(shares: list[float]) -> None:
    names = [f"c{n}" for n in range(len(shares))]
    assert 1 <= len(choose_tags(np.array(shares, np.float32), names)) <= 2
