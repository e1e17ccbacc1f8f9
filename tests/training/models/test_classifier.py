"""Compare the folded calculation with the stock network."""

from typing import Any

import numpy as np
import pytest

from training.models.backbones.table import BACKBONES, build_base
from training.models.backend import load_backend
from training.models.classifier import FoldedTail

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
CUT = "block_5_add"


@pytest.fixture(scope="module")
def base() -> Any:  # noqa: ANN401  Keras has no types
    """Return a MobileNetV2 whose batch normalisation is not the identity."""
    made = build_base("mobilenet_v2", 32, None)
    rng = np.random.default_rng(0)
    for layer in made.layers:
        if "moving_mean" in dir(layer):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, gamma.shape),
                    rng.normal(0, 0.2, beta.shape),
                    rng.normal(0, 0.1, mean.shape),
                    rng.uniform(0.5, 1.5, variance.shape),
                ]
            )
    return made


def parts(base: Any) -> tuple[Any, FoldedTail]:  # noqa: ANN401
    """Return pictures -> (cut, taps), and the folded way from cut to taps."""
    taps = [base.get_layer(name).output for name in BACKBONES["mobilenet_v2"].taps]
    keras = load_backend().keras
    stock = keras.Model(base.input, [base.get_layer(CUT).output, *taps])
    return stock, FoldedTail(base, CUT, taps)


def test_folded_and_stock_answers_and_gradients_are_equal(base: Any) -> None:  # noqa: ANN401
    tf = load_backend().tf
    stock, tail = parts(base)
    pictures = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    cut, *expected = stock(pictures, training=False)
    found = tail(cut)
    assert len(found) == len(expected) == 5
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a.numpy() - b.numpy()).max() < 1e-4
    values = [variable.value for variable in tail.variables]
    with tf.GradientTape(persistent=True) as tape:
        ours = tf.reduce_sum(tail(cut)[-1] ** 2)
        theirs = tf.reduce_sum(stock(pictures, training=False)[-1] ** 2)
    for a, b in zip(tape.gradient(ours, values), tape.gradient(theirs, values), strict=True):
        if a is not None:
            assert np.allclose(a, b, rtol=1e-2, atol=1e-4 * float(np.abs(b).max() + 1))


def test_all_that_trains_lies_above_the_cut(base: Any) -> None:  # noqa: ANN401
    _, tail = parts(base)
    names = {layer.name for layer in tail.layers}
    assert "block_6_expand" in names
    assert not names & {"block_5_project", "Conv1"}
    assert len(tail.variables) == 3 * sum("BN" in name or "bn" in name for name in names)


def test_a_tap_below_the_cut_is_refused(base: Any) -> None:  # noqa: ANN401
    tap = base.get_layer("block_3_expand_relu").output
    with pytest.raises(ValueError, match="cannot be had from block_5_add"):
        FoldedTail(base, CUT, [tap, base.output])
