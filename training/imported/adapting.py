"""Find out how an imported model takes pictures, and put it between what a bundle takes and gives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.bundle.gradcam import Dense
from sceneset.errors import SettingsError, library_errors
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
Range = Literal["0..255", "0..1"]
# Networks are taught on values within about this, and not on one shade of grey for all.
_LIMIT, _SPREAD = 5.0, 0.9
_BLACK, _ONE, _WHITE = range(3)
_VALUES = (0.0, 1.0, 255.0)


def expected_range(network: Any) -> tuple[Range, str] | None:  # noqa: ANN401  Keras has no types
    """Return the range of pixels that a network's scaling layers expect, and the last one's name.

    What 0, 1 and 255 become before the first other weights decides, when it suits one range alone.
    None for pixels that take several ways, that pass an operation which is not known here, or that
    are not scaled at all.
    """
    given = np.tile(np.reshape(_VALUES, (3, 1, 1, 1)), 3).astype(np.float32)
    values, name = given, ""
    for one in _passed(network):
        if _is_scaling(one):
            values, name = np.asarray(one(values), np.float32), str(one.name)
        elif _is_trained(one):
            suited = None if np.array_equal(values, given) else _suited(values)
            return None if suited is None else (suited, name)
        elif not _keeps_values(one):
            return None
    return None


def _suited(values: NDArray[np.float32]) -> Range | None:
    """Return the one range whose ends become values that a network is taught on."""
    rows = np.array([values[place].ravel() for place in (_BLACK, _ONE, _WHITE)])
    ends: tuple[tuple[Range, int], ...] = (("0..255", _WHITE), ("0..1", _ONE))
    suited = [
        name
        for name, end in ends
        if np.abs(rows[[_BLACK, end]]).max() <= _LIMIT
        and np.abs(rows[end] - rows[_BLACK]).min() >= _SPREAD
    ]
    return suited[0] if len(suited) == 1 else None


def _passed(network: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield what pixels pass, one after another; None where they go several ways."""
    operations = getattr(network, "operations", None)
    if operations is None:  # a Sequential, or a pipeline of augmenting layers
        for layer in network.layers:
            yield from _inside(layer)
        return
    tensor = network.inputs[0]
    while nodes := _takers(operations, tensor):
        if len(nodes) > 1:
            ends = all(_is_trained(node.operation) for node in nodes)
            yield nodes[0].operation if ends else None
            return
        yield from _inside(nodes[0].operation)
        tensor = nodes[0].output_tensors[0]


def _inside(operation: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield a layer or an operation; of a network, what is inside."""
    if getattr(operation, "layers", None):
        yield from _passed(operation)
    else:
        yield operation


def _takers(operations: Any, tensor: Any) -> list[Any]:  # noqa: ANN401
    """Return each call of an operation that takes a tensor."""
    return [
        node
        for one in operations
        for node in one._inbound_nodes  # noqa: SLF001  no public name tells the second call
        if any(taken is tensor for taken in node.input_tensors)
    ]


def _is_scaling(one: Any) -> bool:  # noqa: ANN401
    layers = keras.layers
    return isinstance(one, layers.Rescaling | layers.Normalization)


def _is_trained(one: Any) -> bool:  # noqa: ANN401
    """Say whether a layer has weights, of which seeds are none, and is no scaling."""
    return not _is_scaling(one) and bool(getattr(one, "weights", None))


def _keeps_values(one: Any) -> bool:  # noqa: ANN401
    """Say whether pixels keep their values at inference, wherever they go."""
    layers = keras.layers
    kinds = (
        layers.InputLayer, layers.Identity, layers.Dropout, layers.ZeroPadding2D, layers.Cropping2D,
        layers.CenterCrop, layers.Resizing, layers.Flatten, layers.Reshape, layers.Permute,
    )  # fmt: skip
    if isinstance(one, layers.Activation):
        return bool(one.activation.__name__ == "linear")
    # What draws at random, as layers that augment do, holds a seed and rests at inference.
    seeded = bool(getattr(one, "variables", None)) and not one.weights
    return isinstance(one, kinds) or type(one).__name__ == "Cast" or seeded


_RANK, _CHANNELS = 4, 3
_NUMBERS = ("float", "bfloat", "int", "uint")
# How far a row of probabilities in float16 may be from 1.
_SUM = 5e-3
_FLAGS = "--scaling 0..1, tf (-1..1), torch, caffe, or none (0..255)"


def read_size(model: ImportedModel, requested: int | None) -> int:
    """Return the side of the square that a model takes, in px.

    Raises SettingsError for an input that is no square RGB picture, channels last, and where the
    size has to be stated or is stated wrongly.
    """
    takes = model.takes
    shown = ["any" if side is None else side for side in takes]
    if len(takes) != _RANK or takes[3] != _CHANNELS or not model.dtype.startswith(_NUMBERS):
        raise SettingsError(
            f"{model.path} takes {model.dtype}{shown}, not RGB pictures [batch, size, size, 3]",
            cure="convert a model of colour pictures, channels last",
        )
    if takes[0] not in (None, -1):
        raise SettingsError(
            f"{model.path} takes batches of exactly {takes[0]}",
            cure="save it with a free batch size: keras.Input((size, size, 3))",
        )
    known = {int(side) for side in takes[1:3] if side is not None}
    if len(known) > 1:
        raise SettingsError(
            f"{model.path} takes {takes[1]} x {takes[2]} px, not squares",
            cure="convert a model of square pictures",
        )
    size = known.pop() if known else requested
    if size is None:
        raise SettingsError(
            f"{model.path} takes pictures of any size", cure="say which: --size 224"
        )
    if requested is not None and requested != size:
        raise SettingsError(
            f"--size is {requested}, {model.path} takes {size} px", cure="leave --size out"
        )
    return size


def read_scaling(model: ImportedModel, requested: ScalingName | None) -> tuple[ScalingName, str]:
    """Return the range that a model takes, and where that is known from.

    What is stated holds; else the scaling layers before the first other weights say it. Raises
    SettingsError when neither does.
    """
    layer = None if model.network is None else expected_range(model.network)
    if requested is not None:
        agreeing = (None, requested, "0..255" if requested == "none" else requested)
        known, name = layer or (None, "")
        against = "" if known in agreeing else f", against its layer {name} ({known})"
        return requested, f"as stated{against}"
    if layer is None:
        raise SettingsError(
            f"nothing in {model.path} says which values it takes for black and white",
            cure=f"say what it was trained with: {_FLAGS}",
        )
    return layer[0], f"its layer {layer[1]}"


def read_output(
    model: ImportedModel, requested: OutputName | None, rows: NDArray[np.float32]
) -> tuple[OutputName, str]:
    """Return what comes out of a model, and where that is known from.

    `rows` float32[N, classes] are answers to pictures. Raises SettingsError when they are neither
    probabilities nor logits, or not numbers.
    """
    if not np.isfinite(rows).all():
        raise SettingsError(
            f"{model.path} answers with values that are no numbers",
            cure="see that --scaling is right, and that its weights were saved whole",
        )
    inside = bool((rows >= 0).all() and (rows <= 1).all())
    sums = inside and bool(np.abs(rows.sum(axis=1) - 1).max() <= _SUM)
    if requested is not None:
        return requested, _stated(model, requested, inside=inside, sums=sums)
    if sums:
        return "probabilities", "its answers sum to 1"
    if inside:
        raise SettingsError(
            f"{model.path} says yes or no for each class by itself: its answers lie in 0..1 and"
            " do not sum to 1",
            cure="convert a model that ends in a softmax; or say --outputs logits or probabilities",
        )
    return "logits", "its answers do not sum to 1: a softmax was added"


def _stated(model: ImportedModel, requested: OutputName, *, inside: bool, sums: bool) -> str:
    """Say that an output is what was stated. Raises SettingsError when it cannot be that."""
    if requested == "probabilities" and not inside:
        raise SettingsError(
            f"--outputs is probabilities, {model.path} answers with values outside 0..1",
            cure="leave --outputs out, or say --outputs logits",
        )
    if requested == "logits" and sums:
        raise SettingsError(
            f"--outputs is logits, the answers of {model.path} lie in 0..1 and sum to 1",
            cure="leave --outputs out, or say --outputs probabilities",
        )
    doubtful = requested == "probabilities" and not sums
    return "as stated, though its answers do not sum to 1" if doubtful else "as stated"


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
