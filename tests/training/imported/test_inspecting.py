"""What an imported model takes and gives is read from all of it, or asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.imported import SIZE, small_network
from support.weights import IGNORE_COPIES

from sceneset.errors import InterruptedRunError, SettingsError, memory_errors
from training.imported.adapting import expected_range, own_answers, read_output, read_scaling
from training.imported.opening import ImportedModel, open_imported
from training.models.backend import load_backend
from training.settings import OutputName

pytestmark = [pytest.mark.train, IGNORE_COPIES]
MEAN, VARIANCE = [0.485, 0.456, 0.406], [0.0524, 0.0502, 0.0506]
SOFTMAX = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
SIGMOID = np.array([[0.7, 0.7, 0.1], [0.1, 0.1, 0.2]], np.float32)
LOGITS = np.array([[2.7, -0.7, 0.1], [0.1, 5.1, 0.2]], np.float32)


def imported(run: Callable[[Any], Any] = np.asarray, network: Any = None) -> ImportedModel:  # noqa: ANN401  Keras has no types
    """Return a model as its file would hold it."""
    shape = (None, SIZE, SIZE, 3)
    return ImportedModel(Path("m.keras"), shape, (None, 3), "float32", run, (), network)


def network(first: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401
    """Return a network whose pixels pass `first(layers, pixels)` before its one dense layer."""
    keras = load_backend().keras
    image = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(first(keras.layers, image))
    return keras.Model(image, keras.layers.Dense(3)(flat))


def augmented(layers: Any, image: Any) -> Any:  # noqa: ANN401
    """Turn pictures at random, then scale them, both in a network inside."""
    stack = [layers.RandomFlip(), layers.Rescaling(1 / 127.5, offset=-1)]
    return load_backend().keras.Sequential(stack)(image)


@pytest.mark.parametrize(
    ("first", "taken"),
    [
        (lambda k, x: k.Rescaling(1 / 255)(x), "0..255"),
        (lambda k, x: k.Rescaling(2.0, offset=-1.0)(x), "0..1"),
        (lambda k, x: k.Normalization(mean=MEAN, variance=VARIANCE)(x), "0..1"),
        (lambda k, x: k.Normalization(mean=0, variance=255**2)(x), "0..255"),
        (
            lambda k, x: k.Normalization(mean=MEAN, variance=VARIANCE)(k.Rescaling(1 / 255)(x)),
            "0..255",
        ),
        (augmented, "0..255"),
    ],
)
def test_the_range_is_the_one_that_the_layers_bring_to_a_networks_values(
    first: Callable[[Any, Any], Any], taken: str
) -> None:
    found = expected_range(network(first))
    assert found is not None
    assert found[0] == taken


@pytest.mark.parametrize(
    "first",
    [
        lambda _, x: x,
        lambda k, x: k.Normalization(mean=MEAN, variance=VARIANCE)(x / 255.0),
        lambda k, x: k.Rescaling(1 / 255)(x) - 0.5,
        lambda k, x: k.Rescaling(1.0, offset=-127.5)(x),
        lambda k, x: k.Rescaling(1.0, offset=[-103.9, -116.8, -123.7])(x),
        lambda k, x: k.Rescaling(0.5, offset=0.5)(x),
        lambda k, x: k.Normalization()(x),
        lambda k, x: k.Add()([x, k.Rescaling(0.5)(x)]),
        lambda k, x: k.Add()([k.Rescaling(1.0)(x), k.Rescaling(1 / 255)(x)]),
    ],
    ids=["none", "x/255", "x-0.5", "shift", "means", "-1..1", "never adapted", "side", "two"],
)
def test_a_range_that_the_layers_leave_open_is_asked_for(first: Callable[[Any, Any], Any]) -> None:
    found = network(first)
    assert expected_range(found) is None
    with pytest.raises(SettingsError, match="black and white"):
        read_scaling(imported(network=found), None)


def test_a_stated_range_against_the_layers_is_said() -> None:
    found = imported(network=small_network())
    name = found.network.layers[0].name
    stated = ("0..1", f"as stated, against its layer {name} (0..255)")
    assert read_scaling(found, "0..1") == stated
    assert read_scaling(found, "none") == ("none", "as stated")
    assert read_scaling(imported(), "torch") == ("torch", "as stated")


def ended(end: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401
    """Return a network with this after its last dense layer."""
    keras = load_backend().keras
    image = keras.Input((SIZE, SIZE, 3))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, end(keras, logits))


@pytest.mark.parametrize(
    "end",
    [
        lambda keras, x: keras.ops.softmax(x),
        lambda keras, x: keras.layers.Activation("linear")(keras.layers.Softmax()(x)),
    ],
    ids=["operation", "linear after softmax"],
)
def test_probabilities_are_known_whatever_the_last_layer_is(
    tmp_path: Path, end: Callable[[Any, Any], Any]
) -> None:
    ended(end).save(tmp_path / "m.keras")
    found = open_imported(tmp_path / "m.keras")
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    rows = own_answers(found, "0..255", pictures)
    assert read_output(found, None, rows)[0] == "probabilities"


def test_yes_or_no_by_an_operation_is_refused() -> None:
    found = imported(network=ended(lambda keras, x: keras.ops.sigmoid(x)))
    with pytest.raises(SettingsError, match="yes or no"):
        read_output(found, None, SIGMOID)


@pytest.mark.parametrize(
    ("requested", "rows", "words"),
    [("probabilities", LOGITS, "outside 0..1"), ("logits", SOFTMAX, "sum to 1")],
)
def test_a_stated_output_that_the_answers_belie_is_refused(
    requested: OutputName, rows: NDArray[np.float32], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        read_output(imported(), requested, rows)
    assert "--outputs" in caught.value.cure


def test_a_stated_output_that_can_be_holds() -> None:
    assert read_output(imported(), "probabilities", SOFTMAX) == ("probabilities", "as stated")
    assert read_output(imported(), "logits", LOGITS) == ("logits", "as stated")
    assert "do not sum to 1" in read_output(imported(), "probabilities", SIGMOID)[1]


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (InterruptedRunError(15), InterruptedRunError, "interrupted"),
        (MemoryError("4 GB"), SettingsError, "memory ran out: 4 GB"),
        (ValueError("no such shape"), SettingsError, "does not take pictures of 16 px"),
    ],
)
def test_only_a_layers_own_trouble_is_told_as_the_size(
    error: Exception, raised: type[Exception], words: str
) -> None:
    def run(_pixels: Any) -> Any:  # noqa: ANN401
        raise error

    pictures = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(raised, match=words), memory_errors(""):
        own_answers(imported(run), "0..255", pictures)
