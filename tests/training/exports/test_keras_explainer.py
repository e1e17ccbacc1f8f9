"""Grad-CAM on networks whose answer is known because their weights are set by hand."""

import numpy as np
import pytest
from support.explain import SIZE, colour_detector, squares

from training.exports.explain import keras_explainer
from training.models.backend import load_backend
from training.report.examples import square_overlay

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.mark.parametrize("taps", [1, 2])
def test_the_class_that_is_answered_is_seen_where_it_was_drawn(taps: int) -> None:
    explain = keras_explainer(colour_detector(taps=taps))
    picture = squares()
    left, right = explain(np.stack([picture, picture[:, ::-1]]))
    assert left.max() == right.max() == 1
    middle = left.shape[1] // 2
    assert left[:, :middle].sum() == pytest.approx(left.sum())
    assert right[:, middle:].sum() == pytest.approx(right.sum())


def test_more_pictures_than_a_batch_are_explained() -> None:
    explain = keras_explainer(colour_detector(taps=1))
    assert len(explain(np.stack([squares()] * 33))) == 33
    (one,) = explain(squares()[None])
    assert square_overlay(squares(), one).shape == (SIZE, SIZE, 3)


def test_a_model_of_another_layout_is_refused() -> None:
    keras = load_backend().keras
    image = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(image)
    head = keras.Sequential([keras.Input((192,)), keras.layers.Dense(2)], name="head")
    with pytest.raises(TypeError, match="pools no feature map"):
        keras_explainer(keras.Model(image, head(flat)))
