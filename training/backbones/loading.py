"""Load a file of weights into a network, and see that every layer got its own."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.backbones.torch_file import read_torch_layers


class Layer(NamedTuple):
    """A layer that has weights: its name and their shapes."""

    name: str
    shapes: tuple[tuple[int, ...], ...]


class Stored(NamedTuple):
    """What a file holds of a layer: arrays that are read when they are asked for."""

    name: str
    arrays: Sequence[Any]

    def layer(self) -> Layer:
        """Return name and shapes."""
        return Layer(self.name, tuple(tuple(array.shape) for array in self.arrays))


def load_weights(network: Any, path: Path) -> None:  # noqa: ANN401  Keras has no types
    """Load a .h5 or .weights.h5 of Keras, or a .safetensors of PyTorch, with or without the top.

    Raises ValueError or OSError saying why it does not fit; the network is then part old, part new.
    """
    if path.suffix == ".safetensors":
        _fill(network, [Stored(name, arrays) for name, arrays in read_torch_layers(path)])
        return
    import h5py  # noqa: PLC0415  comes with Keras

    if not h5py.is_hdf5(path):
        raise ValueError("it is no HDF5 file")
    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        if _texts(group, "layer_names"):
            _fill(network, _stored(group))
            return
        if "layers" not in group and "_layer_checkpoint_dependencies" not in group:
            raise ValueError("it holds no layers of Keras")
    load_keras_file(network, path)


def load_keras_file(network: Any, path: Path) -> None:  # noqa: ANN401
    """Load a .weights.h5 as Keras 3 writes it. Raises ValueError when a layer gets none."""
    for variable in network.weights:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    with warnings.catch_warnings():
        # Keras only warns when it leaves layers as they were.
        warnings.simplefilter("error", UserWarning)
        try:
            network.load_weights(path)
        except (KeyError, TypeError, UserWarning) as error:
            raise ValueError(str(error)) from error
    for variable in network.weights:
        _check_finite(np.asarray(variable), variable.path)


def match(wanted: Sequence[Layer], stored: Sequence[Layer]) -> list[int]:
    """Return the index of the stored layer for each wanted one: by name, the others in order.

    What is left over must come after all that is used: it is the top. Anything else is another
    architecture. Raises ValueError naming the first layer that does not fit.
    """
    by_name = {layer: index for index, layer in enumerate(stored)}
    found = [by_name.get(layer) for layer in wanted]
    used = set(found)
    rest = iter([index for index in range(len(stored)) if index not in used])
    chosen = [
        index if index is not None else _next(layer, rest, stored)
        for layer, index in zip(wanted, found, strict=True)
    ]
    strangers = set(range(max(chosen, default=0))) - set(chosen)
    if strangers:
        raise ValueError(f"its layer {stored[min(strangers)].name} has no place in the network")
    return chosen


def _next(layer: Layer, rest: Any, stored: Sequence[Layer]) -> int:  # noqa: ANN401
    index: int | None = next(rest, None)
    if index is None:
        raise ValueError(f"it has nothing for layer {layer.name}")
    if stored[index].shapes != layer.shapes:
        raise ValueError(
            f"layer {layer.name} takes {_say(layer)}, its layer {stored[index].name} holds"
            f" {_say(stored[index])}"
        )
    return index


def _say(layer: Layer) -> str:
    return " + ".join("x".join(map(str, shape)) or "1" for shape in layer.shapes)


def _fill(network: Any, stored: Sequence[Stored]) -> None:  # noqa: ANN401
    layers = [layer for layer in network.layers if layer.weights]
    wanted = [
        Layer(layer.name, tuple(tuple(v.shape) for v in _variables(layer))) for layer in layers
    ]
    for layer, index in zip(layers, match(wanted, [s.layer() for s in stored]), strict=True):
        for variable, array in zip(_variables(layer), stored[index].arrays, strict=True):
            values = np.asarray(array)
            _check_finite(values, variable.path)
            variable.assign(values)


def _variables(layer: Any) -> list[Any]:  # noqa: ANN401
    """Return a layer's weights in the order in which the .h5 layout stores them."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _check_finite(values: Any, name: str) -> None:  # noqa: ANN401
    if not np.isfinite(values).all():
        raise ValueError(f"{name} got no value, or one that is not finite")


def _stored(group: Any) -> list[Stored]:  # noqa: ANN401
    """List the layers of the .h5 layout that hold weights, in their order."""
    found = []
    for name in _texts(group, "layer_names"):
        names = _texts(group[name], "weight_names")
        if names:
            found.append(Stored(name, [group[name][weight] for weight in names]))
    return found


def _texts(group: Any, name: str) -> list[str]:  # noqa: ANN401
    """Return an attribute that lists texts; long lists are stored in numbered pieces."""
    pieces = [name] if name in group.attrs else []
    while not pieces or pieces[0] != name:
        piece = f"{name}{len(pieces)}"
        if piece not in group.attrs:
            break
        pieces.append(piece)
    texts = [text for piece in pieces for text in group.attrs[piece]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
