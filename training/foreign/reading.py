"""Find out how a model from elsewhere takes pictures: the size, the range, what comes out."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingsError
from training.backend import load_backend
from training.foreign.opening import Foreign

ScalingName = Literal["0..255", "0..1", "-1..1", "none", "tf", "torch", "caffe"]
OutputName = Literal["probabilities", "logits"]
_RANK, _CHANNELS = 4, 3
_NUMBERS = ("float", "bfloat", "int", "uint")
# A factor above this takes pixels of 0..1 to a network's range, one below it those of 0..255.
_FACTOR = 0.1
# How far a row of probabilities in float16 may be from 1.
_SUM = 5e-3
_FLAGS = "--scaling 0..1, tf (-1..1), torch, caffe, or none (0..255)"


def read_size(foreign: Foreign, asked: int | None) -> int:
    """Return the side of the square that a model takes, in px.

    Raises SettingsError for an input that is no square RGB picture, channels last, and where the
    size has to be stated or is stated wrongly.
    """
    takes = foreign.takes
    if len(takes) != _RANK or takes[3] != _CHANNELS or not foreign.dtype.startswith(_NUMBERS):
        raise SettingsError(
            f"{foreign.path} takes {foreign.dtype}{_said(takes)}, not RGB pictures"
            " [batch, size, size, 3]",
            cure="convert a model of colour pictures, channels last",
        )
    if takes[0] not in (None, -1):
        raise SettingsError(
            f"{foreign.path} takes batches of exactly {takes[0]}",
            cure="save it with a free batch size: keras.Input((size, size, 3))",
        )
    known = {int(side) for side in takes[1:3] if side is not None}
    if len(known) > 1:
        raise SettingsError(
            f"{foreign.path} takes {takes[1]} x {takes[2]} px, not squares",
            cure="convert a model of square pictures",
        )
    size = known.pop() if known else asked
    if size is None:
        raise SettingsError(
            f"{foreign.path} takes pictures of any size", cure="say which: --size 224"
        )
    if asked is not None and asked != size:
        raise SettingsError(
            f"--size is {asked}, {foreign.path} takes {size} px", cure="leave --size out"
        )
    return size


def read_scaling(foreign: Foreign, asked: ScalingName | None) -> tuple[ScalingName, str]:
    """Return the range that a model takes, and where that is known from.

    What is stated holds; else a Rescaling or Normalization layer before the first other weights
    says it. Raises SettingsError when neither does.
    """
    if asked is not None:
        return asked, "as stated"
    found = _found_scaling(foreign.network)
    if found is None:
        raise SettingsError(
            f"nothing in {foreign.path} says which values it takes for black and white",
            cure=f"say what it was trained with: {_FLAGS}",
        )
    return found[0], f"its layer {found[1]}"


def read_output(
    foreign: Foreign, asked: OutputName | None, rows: NDArray[np.float32]
) -> tuple[OutputName, str]:
    """Return what comes out of a model, and where that is known from.

    `rows` float32[N, classes] are answers to pictures. Raises SettingsError when they are neither
    probabilities nor logits, or not numbers.
    """
    if not np.isfinite(rows).all():
        raise SettingsError(
            f"{foreign.path} answers with values that are no numbers",
            cure="see that --scaling is right, and that its weights were saved whole",
        )
    if asked is not None:
        return asked, "as stated"
    last = _last_activation(foreign.network)
    if last == "softmax":
        return "probabilities", "its last layer is a softmax"
    inside = bool((rows >= 0).all() and (rows <= 1).all())
    if last != "linear" and inside and np.abs(rows.sum(axis=1) - 1).max() <= _SUM:
        return "probabilities", "its answers sum to 1"
    if last == "sigmoid" or (inside and last != "linear"):
        raise SettingsError(
            f"{foreign.path} says yes or no for each class by itself: its answers lie in 0..1 and"
            " do not sum to 1",
            cure="convert a model that ends in a softmax; or say --outputs logits or probabilities",
        )
    return "logits", "its answers do not sum to 1: a softmax was added"


def _said(shape: tuple[int | None, ...]) -> list[object]:
    return ["any" if side is None else side for side in shape]


def _found_scaling(network: Any) -> tuple[ScalingName, str] | None:  # noqa: ANN401  no types
    """Return the range that the first scaling layer takes, and its name."""
    layers = load_backend().keras.layers
    for layer in [] if network is None else _flat(network):
        if isinstance(layer, layers.Rescaling):
            return ("0..1" if np.max(np.abs(layer.scale)) > _FACTOR else "0..255"), layer.name
        if isinstance(layer, layers.Normalization):
            means = np.asarray(0.0 if layer.mean is None else layer.mean)
            return ("0..1" if np.max(np.abs(means)) <= 1 else "0..255"), layer.name
        if layer.weights and not _is_random(layer):
            return None
    return None


def _flat(network: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield layers in their order, those of networks inside in place of them."""
    for layer in network.layers:
        inside = getattr(layer, "layers", None)
        # Pipelines of augmenting layers list theirs too.
        yield from _flat(layer) if inside else (layer,)


def _is_random(layer: Any) -> bool:  # noqa: ANN401
    """Say whether a layer's weights are seeds alone, as those that augment pictures have."""
    return all("seed" in variable.path for variable in layer.weights)


def _last_activation(network: Any) -> str | None:  # noqa: ANN401
    if network is None:
        return None
    last = list(_flat(network))[-1] if network.layers else None
    if isinstance(last, load_backend().keras.layers.Softmax):
        return "softmax"
    activation = getattr(last, "activation", None)
    return getattr(activation, "__name__", None)
