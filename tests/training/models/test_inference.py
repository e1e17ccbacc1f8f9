import numpy as np
import pytest

from sceneset.errors import MissingExtraError
from training.evaluation.calibration import softmax
from training.evaluation.predict import average
from training.models.inference import choose_runtime


def here(_name: str) -> object:
    return object()


def missing(_name: str) -> object:
    return None


def test_the_faster_engine_is_taken_where_it_is_installed() -> None:
    assert choose_runtime("auto", here) == "openvino"
    assert choose_runtime("auto", missing) == "tensorflow"
    assert choose_runtime("tensorflow", here) == "tensorflow"


def test_an_engine_that_is_not_installed_is_refused_with_its_extra() -> None:
    with pytest.raises(MissingExtraError) as caught:
        choose_runtime("openvino", missing)
    assert "'.[openvino]'" in caught.value.cure


def test_two_answers_are_averaged_as_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (2, 5, 4))
    one, other = softmax(logits[0]), softmax(logits[1])
    assert average(one, other) == pytest.approx(softmax(logits.mean(axis=0)))
    assert np.isfinite(average(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))).all()
