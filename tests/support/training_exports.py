"""Build small networks in the layout of an exported model, with random weights."""

from typing import Any

from training.models.backend import load_backend

SIZE = 32


def exported_network(classes: int = 3, *, taps: int = 1, hidden: int = 8, seed: int = 5) -> Any:  # noqa: ANN401  Keras has no types
    """Return scaling, a nested base, one average per tap, head and softmax, as a Keras model."""
    keras = load_backend().keras
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inside = keras.Input((SIZE, SIZE, 3))
    first = layers.Conv2D(6, 5, strides=4, activation="relu")(inside)
    last = layers.Conv2D(10, 3, strides=2, padding="same", activation="relu")(first)
    base = keras.Model(inside, [first, last][-taps:], name="base")
    image = keras.Input((SIZE, SIZE, 3), name="image")
    maps = base(layers.Rescaling(1 / 127.5, offset=-1.0)(image), training=False)
    pooled = [layers.GlobalAveragePooling2D()(one) for one in (maps if taps > 1 else [maps[0]])]
    features = pooled[0] if taps == 1 else layers.Concatenate()(pooled)
    head = keras.Sequential(
        [
            keras.Input((features.shape[-1],)),
            layers.Dropout(0.2),
            layers.Dense(hidden, "relu", bias_initializer="random_normal"),
            layers.Dropout(0.5),
            layers.Dense(classes, kernel_initializer=keras.initializers.RandomNormal(0, 3.0)),
        ],
        name="head",
    )
    return keras.Model(image, layers.Softmax(name="probabilities")(head(features)))
