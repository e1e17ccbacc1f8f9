"""Join backbone and head into the networks that embed, train and are exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.models.backbones import Scaling, scale
from training.models.backend import load_backend

HIDDEN = (256, 256)
DROPOUT = 0.5


@dataclass(frozen=True)
class Trunk:
    """The network below the head: how pictures are scaled for it, what the head reads of it."""

    base: Any
    """Scaled float32[N, size, size, 3] -> feature map, a keras.Model."""
    scaling: Scaling = "minus_one_to_one"
    taps: tuple[str, ...] = ()
    """Layers whose global averages the head reads, one after the other; none: the output only."""

    @property
    def features(self) -> int:
        """Return how many values the head reads."""
        return sum(int(output.shape[-1]) for output in self.outputs())

    def outputs(self) -> list[Any]:
        """Return the feature maps that the head reads."""
        return [self.base.get_layer(name).output for name in self.taps] or [self.base.output]


def build_head(
    features: int,
    classes: int,
    hidden: Sequence[int] = HIDDEN,
    *,
    dropout: float = DROPOUT,
    input_dropout: float = 0.0,
) -> Any:  # noqa: ANN401  Keras has no types
    """Build features -> logits; by default the published head, two layers of 256, dropout .5."""
    keras = load_backend().keras
    layers = [keras.Input((features,))]
    if input_dropout:
        layers.append(keras.layers.Dropout(input_dropout))
    for width in hidden:
        layers.append(keras.layers.Dense(width, "relu"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential([*layers, keras.layers.Dense(classes)], name="head")


def embedder(trunk: Trunk, *, cut: str | None = None) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> pooled features float32[N, features]; the base is frozen.

    With `cut` there is a second output: the feature map of that layer.
    """
    more = [] if cut is None else [trunk.base.get_layer(cut).output]
    image, features, maps = _pooled(trunk, frozen=True, more=more)
    outputs = features if cut is None else [features, *maps]
    return load_backend().keras.Model(image, outputs, name="embedder")


def classifier(trunk: Trunk, head: Any, *, frozen: bool) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> logits, float32[N, classes].

    A frozen base runs in inference mode, batch normalisation included.
    """
    trunk.base.trainable = not frozen
    image, features, _ = _pooled(trunk, frozen=frozen)
    return load_backend().keras.Model(image, head(features), name="classifier")


def exported(logits: Any, temperature: float) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> probabilities = softmax(logits / temperature).

    The temperature is absorbed by the last dense layer, in place.
    """
    keras = load_backend().keras
    last = logits.get_layer("head").layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])
    probabilities = keras.layers.Softmax(name="probabilities")(logits.output)
    return keras.Model(logits.input, probabilities, name="sceneset")


def _pooled(trunk: Trunk, *, frozen: bool, more: Sequence[Any] = ()) -> tuple[Any, Any, list[Any]]:
    """Return the image, what the head reads of it, and the feature maps of `more`."""
    keras = load_backend().keras
    base = trunk.base
    wanted = [*trunk.outputs(), *more]
    if trunk.taps or more:
        base = keras.Model(base.input, wanted, name=base.name)
    image = keras.Input(base.input.shape[1:], name="image")
    scaled = scale(image, trunk.scaling)
    maps = base(scaled, training=False) if frozen else base(scaled)
    maps = list(maps) if isinstance(maps, list | tuple) else [maps]
    read = maps[: len(maps) - len(more)]
    pooled = [keras.layers.GlobalAveragePooling2D()(one) for one in read]
    features = pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)
    return image, features, maps[len(read) :]
