"""Find out how an imported model takes pictures: the size, the range, what comes out."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sceneset.errors import SettingsError
from training.imported.opening import ImportedModel
from training.models.backend import keras
from training.settings import OutputName, ScalingName

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
