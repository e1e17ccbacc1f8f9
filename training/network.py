"""Join backbone and head into the networks that embed, train and are exported."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend

HIDDEN = (256, 256)
DROPOUT = 0.5


def build_head(features: int, classes: int, hidden: Sequence[int] = HIDDEN) -> Any:  # noqa: ANN401  Keras has no types
    """Build the published head: two dense layers of 256 with dropout .5, then logits."""
    keras = load_backend().keras
    layers = [keras.Input((features,))]
    for width in hidden:
        layers += [keras.layers.Dense(width, "relu"), keras.layers.Dropout(DROPOUT)]
    return keras.Sequential([*layers, keras.layers.Dense(classes)], name="head")


def embedder(base: Any) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> pooled features, float32[N, features]; the base is frozen."""
    image, features = _pooled(base, frozen=True)
    return load_backend().keras.Model(image, features, name="embedder")


def classifier(base: Any, head: Any, *, frozen: bool) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> logits, float32[N, classes].

    A frozen base runs in inference mode, batch normalisation included.
    """
    base.trainable = not frozen
    image, features = _pooled(base, frozen=frozen)
    return load_backend().keras.Model(image, head(features), name="classifier")


def exported(logits: Any, temperature: float) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> probabilities = softmax(logits / temperature).

    The temperature is folded into the last dense layer, in place.
    """
    keras = load_backend().keras
    last = logits.get_layer("head").layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])
    probabilities = keras.layers.Softmax(name="probabilities")(logits.output)
    return keras.Model(logits.input, probabilities, name="sceneset")


def forward(model: Any) -> Any:  # noqa: ANN401
    """Compile a model's inference: uint8[N, size, size, 3] -> float32[N, outputs].

    Twice as fast as Keras' `predict` in batches of 32; never XLA, which makes the convolutions
    four times slower on a CPU.
    """
    tf = load_backend().tf
    shape = (None, *model.input.shape[1:])

    def run(pictures: Any) -> Any:  # noqa: ANN401
        return model(tf.cast(pictures, tf.float32), training=False)

    compiled = tf.function(run, input_signature=[tf.TensorSpec(shape, tf.uint8)])

    def compute(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(compiled(pictures), np.float32)

    return compute


def _pooled(base: Any, *, frozen: bool) -> tuple[Any, Any]:  # noqa: ANN401
    keras = load_backend().keras
    image = keras.Input(base.input.shape[1:], name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    feature_map = base(scaled, training=False) if frozen else base(scaled)
    return image, keras.layers.GlobalAveragePooling2D()(feature_map)
