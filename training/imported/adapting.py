"""Put an imported model between what a bundle takes and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import Dense
from sceneset.errors import library_errors
from training.exports.explain import Anatomy, read_dense
from training.imported.opening import ImportedModel, describe_error
from training.models.backbones.networks import Scaling, scale
from training.models.backend import keras, tf
from training.settings import OutputName, ScalingName

Rows = NDArray[np.float32]
_BATCH = 4
_LAYERS: dict[ScalingName, Scaling] = {
    "0..255": "none",
    "none": "none",
    "0..1": "zero_to_one",
    "-1..1": "minus_one_to_one",
    "tf": "minus_one_to_one",
    "torch": "torch",
    "caffe": "caffe",
}


@dataclass(frozen=True)
class GraphModel:
    """A SavedModel as bundles hold it, with what exports read of a Keras model.

    Calling it maps pictures float32[N, size, size, 3] in 0..255 to probabilities float32[N, classes].
    """

    input: Any
    variables: tuple[Any, ...]
    run: Callable[[Any], Any]
    outputs: None = None

    def __call__(self, image: Any, *, training: bool = False) -> Any:  # noqa: ANN401, ARG002  as Keras is called
        """Return probabilities float32[N, classes] for a batch, at inference alone."""
        return self.run(image)


def adapt(
    model: ImportedModel, size: int, scaling: ScalingName, output: OutputName
) -> tuple[Any, Anatomy | None]:
    """Put the scaling before a model of squares of `size` px and, after logits, a softmax behind it.

    Returns a Keras model, or a `GraphModel` of a SavedModel, from pictures in 0..255 to
    probabilities; and what Grad-CAM needs of it, None where nothing can be explained.
    """
    if model.network is None:
        return _adapt_graph(model, size, scaling, output), None
    steps = _steps(model.network)
    pool, head = _tail(steps, output) or (None, ())
    maps = [] if pool is None else [pool.given, pool.answer]
    # Named anew: its own name may be one that is used outside.
    inside = keras.Model(steps[0].given, [*maps, steps[-1].answer], name="network")
    image = keras.Input((size, size, 3), name="image")
    outputs = inside(scale(image, _LAYERS[scaling]), training=False)
    *seen, answer = outputs if isinstance(outputs, list | tuple) else [outputs]
    if output == "logits":
        answer = keras.layers.Softmax(name="probabilities", dtype="float32")(answer)
    elif answer.dtype != "float32":
        answer = keras.layers.Identity(name="probabilities", dtype="float32")(answer)
    network = keras.Model(image, answer, name="sceneset")
    return network, Anatomy(seen[0], seen[1], network.outputs[0], head) if seen else None


def own_answers(model: ImportedModel, scaling: ScalingName, pictures: NDArray[np.uint8]) -> Rows:
    """Return a model's own answers to pictures uint8[N, size, size, 3], float32[N, outputs].

    The scaling is Keras' own preprocess_input, in numpy: a second opinion on our layers.
    """
    values = pictures.astype(np.float32)
    mode = {"-1..1": "tf"}.get(scaling, scaling)
    if mode in {"tf", "torch", "caffe"}:
        scaled = keras.applications.imagenet_utils.preprocess_input
        values = scaled(values, data_format="channels_last", mode=mode)
    elif mode == "0..1":
        values = values / np.float32(255)
    with library_errors(
        f"{model.path} does not take pictures of {pictures.shape[1]} px",
        cure="give the --size that it was trained at",
        describe=describe_error,
    ):
        return in_batches(model.run, values)


def in_batches(run: Callable[[Any], Any], values: Rows) -> Rows:
    """Run float32[N, size, size, 3] a few at a time: large networks need much memory for each."""
    spec = tf.TensorSpec((None, *values.shape[1:]), tf.float32)

    def call(pixels: Any) -> Any:  # noqa: ANN401  a function has the hash that TensorFlow asks for
        return run(pixels)

    compiled = tf.function(call, input_signature=[spec], autograph=False)
    rows = [compiled(tf.constant(values[k : k + _BATCH])) for k in range(0, len(values), _BATCH)]
    return np.concatenate([np.asarray(one, np.float32) for one in rows])


def _adapt_graph(
    model: ImportedModel, size: int, scaling: ScalingName, output: OutputName
) -> GraphModel:
    image = keras.Input((size, size, 3), name="image")
    scaler = keras.Model(image, scale(image, _LAYERS[scaling]))

    def run(pictures: Any) -> Any:  # noqa: ANN401
        answer = tf.cast(model.run(scaler(pictures, training=False)), tf.float32)
        return tf.nn.softmax(answer) if output == "logits" else answer

    # Writers ask Keras' variables for the one of TensorFlow inside; these are that already.
    held = [SimpleNamespace(value=one) for one in model.variables]
    return GraphModel(scaler.inputs[0], (*scaler.variables, *held), run)


class Step(NamedTuple):
    """A layer, the tensor that it is given, and the one that it answers with."""

    layer: Any
    given: Any
    answer: Any


def _steps(network: Any) -> list[Step]:  # noqa: ANN401
    """Return the layers of a network in their order; the first is given its input."""
    if not isinstance(network, keras.Sequential):
        first = Step(None, network.inputs[0], network.inputs[0])
        inside = [Step(one, one.input, one.output) for one in network.layers]
        return [first, *inside, Step(None, network.outputs[0], network.outputs[0])]
    # Its layers were called each time one was added: only a call of our own is of one piece.
    steps, value = [], keras.Input(batch_shape=network.inputs[0].shape)
    for layer in network.layers:
        steps.append(Step(layer, value, layer(value)))
        value = steps[-1].answer
    return steps


def _tail(steps: list[Step], output: OutputName) -> tuple[Step, tuple[Dense, ...]] | None:
    """Return the global average before the last dense layers, and those layers' weights.

    None unless nothing but dropout stands between, relu follows all but the last, and a softmax or
    nothing follows the last: that is what Grad-CAM in numpy reads.
    """
    layers = keras.layers
    tail = [step for step in steps if step.layer is not None]
    averages = layers.GlobalAveragePooling2D
    places = [k for k, one in enumerate(tail) if isinstance(one.layer, averages)]
    if not places or tail[places[-1]].layer.keepdims or tail[-1].answer is not steps[-1].answer:
        return None
    pool, after = tail[places[-1]], tail[places[-1] + 1 :]
    chained = all(now.given is before.answer for before, now in pairwise([pool, *after]))
    closed = bool(after) and _is_softmax(after[-1].layer)
    between = [one.layer for one in (after[:-1] if closed else after)]
    dense = [one for one in between if isinstance(one, layers.Dense)]
    if not (
        chained and dense and all(isinstance(b, layers.Dense | layers.Dropout) for b in between)
    ):
        return None
    ends = [one.activation.__name__ for one in dense]
    last = "linear" if closed or output == "logits" else "softmax"
    if ends != ["relu"] * (len(dense) - 1) + [last]:
        return None
    return pool, tuple(read_dense(one) for one in dense)


def _is_softmax(layer: Any) -> bool:  # noqa: ANN401
    layers = keras.layers
    if isinstance(layer, layers.Activation):
        return bool(layer.activation.__name__ == "softmax")
    return isinstance(layer, layers.Softmax)
