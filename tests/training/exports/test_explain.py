"""Grad-CAM in numpy from explain.tflite and head.npz is Grad-CAM by Keras' gradients."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.training_exports import SIZE, exported_network

from sceneset.bundle.reader import Bundle
from serving.inference.explainer import Explainer
from training.exports.explain import anatomy, dense_layers, write_head
from training.exports.litert import convert, explain_file, trace
from training.models.backend import load_backend

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def gradient_map(model: Any, picture: np.ndarray[Any, Any], label: int) -> Any:  # noqa: ANN401  Keras has no types
    """Return relu of the feature map summed by the averages of d log p(label), as of 2017."""
    backend = load_backend()
    tf, keras = backend.tf, backend.keras
    pools = [one for one in model.layers if isinstance(one, keras.layers.GlobalAveragePooling2D)]
    below = keras.Model(model.input, [pool.input for pool in pools])
    maps = below(picture[np.newaxis].astype(np.float32), training=False)
    maps = maps if isinstance(maps, list) else [maps]
    with tf.GradientTape() as tape:
        tape.watch(maps[-1])
        pooled = [pool(one) for pool, one in zip(pools, maps, strict=True)]
        features = pooled[0] if len(pooled) == 1 else tf.concat(pooled, 1)
        probabilities = keras.ops.softmax(model.get_layer("head")(features, training=False))
        log_probability = tf.math.log(probabilities[0, label])
    weights = tf.reduce_mean(tape.gradient(log_probability, maps[-1]), axis=(0, 1, 2))
    return np.maximum(np.asarray(maps[-1][0] @ weights[:, tf.newaxis])[..., 0], 0)


@pytest.mark.parametrize("taps", [1, 2])
def test_the_map_is_that_of_the_gradients(tmp_path: Path, taps: int) -> None:
    model = exported_network(taps=taps)
    parts = anatomy(model)
    outputs = [parts.feature_map, parts.pooled, parts.probabilities]
    data = explain_file(convert(trace(model, outputs)))
    (tmp_path / "explain.tflite").write_bytes(data)
    write_head(tmp_path, parts.head)
    (tmp_path / "class_names.json").write_text(json.dumps(["a", "b", "c"]))
    explainer = Explainer(Bundle(tmp_path, ("a", "b", "c"), SIZE, "crop", {}), workers=1)
    rng = np.random.default_rng(2)
    lit = 0
    for label in (0, 1, 2, 0, 1, 2):
        picture = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        expected = gradient_map(model, picture, label)
        found = explainer.explain(picture, label)
        answer = np.asarray(model(picture[np.newaxis].astype(np.float32)))[0]
        assert found.probability == pytest.approx(float(answer[label]), abs=1e-5)
        if expected.max() > 0:
            lit += 1
            assert np.abs(found.heat - expected / expected.max()).max() < 1e-4
    assert lit >= 3


def test_a_head_that_could_not_be_followed_is_refused() -> None:
    keras = load_backend().keras
    image = keras.Input((SIZE, SIZE, 3), name="image")
    features = keras.layers.GlobalAveragePooling2D()(image)
    for layer in (keras.layers.BatchNormalization(), keras.layers.Dense(4, "tanh")):
        head = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)], name="head")
        with pytest.raises(TypeError):
            dense_layers(keras.Model(image, head(features)))
