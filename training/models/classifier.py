"""Join backbone and head into the networks that embed, train and are exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.models.backbones.networks import Scaling, scale
from training.models.backend import keras

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
    layers = [keras.Input((features,))]
    if input_dropout:
        layers.append(keras.layers.Dropout(input_dropout))
    for width in hidden:
        layers.append(keras.layers.Dense(width, "relu"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential([*layers, keras.layers.Dense(classes)], name="head")


def weighted_layers(network: Any) -> list[Any]:  # noqa: ANN401
    """Return a network's layers that have weights, in order."""
    return [layer for layer in network.layers if layer.get_weights()]


def embedder(trunk: Trunk, *, cut: str | None = None) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> pooled features float32[N, features]; the base is frozen.

    With `cut` there is a second output: the feature map of that layer.
    """
    more = [] if cut is None else [trunk.base.get_layer(cut).output]
    image, features, maps = _pooled(trunk, frozen=True, more=more)
    outputs = features if cut is None else [features, *maps]
    return keras.Model(image, outputs, name="embedder")


def classifier(trunk: Trunk, head: Any, *, frozen: bool) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> logits, float32[N, classes].

    A frozen base runs in inference mode, batch normalisation included.
    """
    trunk.base.trainable = not frozen
    image, features, _ = _pooled(trunk, frozen=frozen)
    return keras.Model(image, head(features), name="classifier")


def exported(logits: Any, temperature: float) -> Any:  # noqa: ANN401
    """Return pictures 0..255 -> probabilities = softmax(logits / temperature).

    The temperature is absorbed by the last dense layer, in place.
    """
    last = logits.get_layer("head").layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])
    probabilities = keras.layers.Softmax(name="probabilities")(logits.output)
    return keras.Model(logits.input, probabilities, name="sceneset")


def _pooled(trunk: Trunk, *, frozen: bool, more: Sequence[Any] = ()) -> tuple[Any, Any, list[Any]]:
    """Return the image, what the head reads of it, and the feature maps of `more`."""
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


class FoldedTail:
    """The layers between a cut and the taps of a functional model, batch normalisation folded in.

    y = conv(x, K * g) + (b - mean * g) with g = gamma / sqrt(variance + epsilon): what batch
    normalisation in inference mode gives, and the same gradients of K, gamma and beta, which stay
    the variables. A training step takes less time.
    """

    def __init__(self, base: Any, cut: str, taps: Sequence[Any]) -> None:  # noqa: ANN401
        """Plan the calculation. `taps` are the outputs that are wanted, as Keras tensors.

        The network's own output is to be one of them: all layers above the cut are trained. Raises ValueError when an output does not follow from the cut alone.
        """
        self._cut = cut
        self._taps = [_producer(tap).name for tap in taps]
        self.layers: list[Any] = []
        self._inputs: dict[str, list[str]] = {}
        for layer in base.layers:  # in the order in which they are computed
            sources = _sources(layer)
            if sources and {cut, *self._inputs}.issuperset(sources):
                self.layers.append(layer)
                self._inputs[layer.name] = sources
        lost = set(self._taps) - {cut, *self._inputs}
        if lost:
            raise ValueError(f"{', '.join(sorted(lost))} cannot be had from {cut}")
        self._folds = self._pairs()

    @property
    def variables(self) -> list[Any]:
        """Return kernels, gammas and betas: everything that trains."""
        return [
            variable
            for layer in self.layers
            for variable in layer.weights
            if "moving_" not in variable.path
        ]

    def __call__(self, x: Any) -> list[Any]:  # noqa: ANN401
        """Return the taps' feature maps from the cut's, float32[N, height, width, channels]."""
        values = {self._cut: x}
        for layer in self.layers:
            if layer in self._folds.values():
                continue  # its batch normalisation runs it
            if layer.name in self._folds:
                conv = self._folds[layer.name]
                values[layer.name] = self._folded(conv, layer, values[self._inputs[conv.name][0]])
            else:
                inputs = [values[name] for name in self._inputs[layer.name]]
                values[layer.name] = layer(inputs if len(inputs) > 1 else inputs[0], training=False)
        return [values[name] for name in self._taps]

    def _folded(self, conv: Any, norm: Any, x: Any) -> Any:  # noqa: ANN401
        ops, layers = keras.ops, keras.layers
        factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
        factor = factor * norm.gamma if norm.scale else factor
        shift = -norm.moving_mean * factor
        shift = shift + norm.beta if norm.center else shift
        shift = shift + conv.bias * factor if conv.use_bias else shift
        options = {
            "strides": conv.strides,
            "padding": conv.padding,
            "dilation_rate": conv.dilation_rate,
            "data_format": conv.data_format,
        }
        if isinstance(conv, layers.DepthwiseConv2D):
            kernel = conv.kernel * ops.reshape(factor, (1, 1, *conv.kernel.shape[2:]))
            return ops.depthwise_conv(x, kernel, **options) + shift
        return ops.conv(x, conv.kernel * factor, **options) + shift

    def _pairs(self) -> dict[str, Any]:
        """Return batch normalisation -> the convolution that only it reads."""
        kinds = keras.layers
        by_name = {layer.name: layer for layer in self.layers}
        readers = [name for sources in self._inputs.values() for name in sources] + self._taps
        pairs = {}
        for layer in self.layers:
            source = by_name.get(self._inputs[layer.name][0])
            if (
                source is not None
                and isinstance(layer, kinds.BatchNormalization)
                and type(source) in {kinds.Conv2D, kinds.DepthwiseConv2D}
                and readers.count(source.name) == 1
                and source.activation is keras.activations.linear
            ):
                pairs[layer.name] = source
        return pairs


def _producer(tensor: Any) -> Any:  # noqa: ANN401
    return tensor._keras_history.operation  # noqa: SLF001  Keras' own graph has no other door


def _sources(layer: Any) -> list[str]:  # noqa: ANN401
    """Return the names of the layers that a layer reads; none for the input."""
    node = layer._inbound_nodes[0]  # noqa: SLF001  nor this
    return [_producer(tensor).name for tensor in node.input_tensors]
