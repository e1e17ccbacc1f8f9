"""Grad-CAM on networks whose answer is known because their weights are set by hand."""

import numpy as np
import pytest
from support.explain import SIZE, colour_detector, squares

from training.exports.explain import KerasExplainer
from training.models.backend import load_backend
from training.report.examples import square_overlay

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.mark.parametrize("taps", [1, 2])
def test_the_class_asked_for_is_seen_where_it_was_drawn(taps: int) -> None:
    explainer = KerasExplainer(colour_detector(taps=taps))
    picture = squares()
    top, red, green = explainer.explain(np.stack([picture] * 3), [None, 0, 1])
    assert (top.label, red.label, green.label) == (0, 0, 1)
    assert np.array_equal(top.heat, red.heat)
    assert red.heat.max() == green.heat.max() == 1
    middle = red.heat.shape[1] // 2
    assert red.heat[:, :middle].sum() == pytest.approx(red.heat.sum())
    assert green.heat[:, middle:].sum() == pytest.approx(green.heat.sum())


def test_the_probability_is_that_of_the_model() -> None:
    model = colour_detector(taps=2)
    picture = squares()[None]
    (found,) = KerasExplainer(model).explain(picture)
    answer = np.asarray(model(picture.astype(np.float32), training=False))[0]
    assert found.probability == pytest.approx(answer[found.label], abs=1e-5)


def test_more_pictures_than_a_batch_and_none_are_explained() -> None:
    explainer = KerasExplainer(colour_detector(taps=1))
    assert len(explainer.explain(np.stack([squares()] * 33))) == 33
    assert explainer.explain(np.empty((0, SIZE, SIZE, 3), np.uint8)) == []
    (one,) = explainer.explain(squares()[None])
    assert square_overlay(squares(), one).shape == (SIZE, SIZE, 3)


def test_a_model_of_another_layout_is_refused() -> None:
    keras = load_backend().keras
    image = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(image)
    head = keras.Sequential([keras.Input((192,)), keras.layers.Dense(2)], name="head")
    with pytest.raises(TypeError, match="pools no feature map"):
        KerasExplainer(keras.Model(image, head(flat)))
