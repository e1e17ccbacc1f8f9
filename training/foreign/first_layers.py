"""Read from a network's first layers which values it takes for black and white."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend

Range = Literal["0..255", "0..1"]
# Networks are taught on values within about this, and not on one shade of grey for all.
_LIMIT, _SPREAD = 5.0, 0.9
_BLACK, _ONE, _WHITE = range(3)
_VALUES = (0.0, 1.0, 255.0)


def taught_range(network: Any) -> tuple[Range, str] | None:  # noqa: ANN401  Keras has no types
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
        elif _is_taught(one):
            found = None if np.array_equal(values, given) else _suited(values)
            return None if found is None else (found, name)
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
            ends = all(_is_taught(node.operation) for node in nodes)
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
    layers = load_backend().keras.layers
    return isinstance(one, layers.Rescaling | layers.Normalization)


def _is_taught(one: Any) -> bool:  # noqa: ANN401
    """Say whether a layer has weights, of which seeds are none, and is no scaling."""
    return not _is_scaling(one) and bool(getattr(one, "weights", None))


def _keeps_values(one: Any) -> bool:  # noqa: ANN401
    """Say whether pixels keep their values at inference, wherever they go."""
    layers = load_backend().keras.layers
    kinds = (
        layers.InputLayer, layers.Identity, layers.Dropout, layers.ZeroPadding2D, layers.Cropping2D,
        layers.CenterCrop, layers.Resizing, layers.Flatten, layers.Reshape, layers.Permute,
    )  # fmt: skip
    if isinstance(one, layers.Activation):
        return bool(one.activation.__name__ == "linear")
    # What draws at random, as layers that augment do, holds a seed and rests at inference.
    seeded = bool(getattr(one, "variables", None)) and not one.weights
    return isinstance(one, kinds) or type(one).__name__ == "Cast" or seeded
