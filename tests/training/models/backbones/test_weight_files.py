"""A file of weights is loaded whole or refused, whatever its layout."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.weights import IGNORE_COPIES, Arrays, same, write_h5

from sceneset.errors import DamagedDataError
from training.models.backbones.table import build_base
from training.models.backbones.weight_files import Layer, match

LAYERS = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=2), st.integers(1, 3)), unique_by=lambda x: x[0]
)


def layers(*told: tuple[str, int]) -> list[Layer]:
    return [Layer(name, ((width, width), (width,))) for name, width in told]


@given(LAYERS, LAYERS)
def test_the_layers_themselves_match_with_and_without_a_top(
    body: list[tuple[str, int]], top: list[tuple[str, int]]
) -> None:
    wanted = layers(*body)
    above = [Layer(f"top {layer.name}", layer.shapes) for layer in layers(*top)]
    assert match(wanted, wanted) == list(range(len(wanted)))
    assert match(wanted, [*wanted, *above]) == list(range(len(wanted)))


@given(LAYERS)
def test_layers_of_other_names_match_in_order(body: list[tuple[str, int]]) -> None:
    stored = [Layer(f"caffe {layer.name}", layer.shapes) for layer in layers(*body)]
    assert match(layers(*body), stored) == list(range(len(body)))


@given(LAYERS, LAYERS)
def test_what_matches_has_the_same_shapes_and_nothing_is_used_twice(
    wanted: list[tuple[str, int]], stored: list[tuple[str, int]]
) -> None:
    ours, theirs = layers(*wanted), layers(*stored)
    try:
        found = match(ours, theirs)
    except ValueError:
        return
    assert [theirs[index].shapes for index in found] == [layer.shapes for layer in ours]
    assert sorted(found) == list(range(len(ours)))


def test_layers_are_found_by_name_in_whatever_order_they_are_stored() -> None:
    assert match(layers(("a", 1), ("b", 1)), layers(("b", 1), ("a", 1))) == [1, 0]


def test_a_missing_a_wider_and_a_strange_layer_are_named() -> None:
    with pytest.raises(ValueError, match="nothing for layer b"):
        match(layers(("a", 1), ("b", 1)), layers(("a", 1)))
    with pytest.raises(ValueError, match=r"layer b takes 1x1 \+ 1, its layer b holds 2x2 \+ 2"):
        match(layers(("a", 1), ("b", 1)), layers(("a", 1), ("b", 2)))
    with pytest.raises(ValueError, match="its layer x has no place"):
        match(layers(("a", 1), ("b", 1)), layers(("a", 1), ("x", 1), ("b", 1)))


@pytest.fixture(scope="module")
def stored() -> list[tuple[str, Arrays]]:
    """Return MobileNetV2's layers in the published order, filled at random."""
    rng = np.random.default_rng(0)
    base = build_base("mobilenet_v2", 32, None)
    return [
        (layer.name, [rng.uniform(0.1, 1, v.shape).astype(np.float32) for v in layer.get_weights()])
        for layer in base.layers
    ]


def loaded_as_stored(path: Path, stored: Sequence[tuple[str, Arrays]]) -> bool:
    base = build_base("mobilenet_v2", 32, path)
    return same(base.get_weights(), [array for _, arrays in stored for array in arrays])


TOP = ("predictions", [np.ones((1280, 10), np.float32), np.ones(10, np.float32)])


@pytest.mark.train
def test_the_published_layout_loads_bit_by_bit_with_and_without_top_and_by_order(
    stored: list[tuple[str, Arrays]], tmp_path: Path
) -> None:
    strange = [(f"layer{n}", arrays) for n, (_, arrays) in enumerate(stored)]
    for told in (stored, [*stored, TOP], [*strange, TOP]):
        assert loaded_as_stored(write_h5(tmp_path / "a.h5", told), stored)
    whole = write_h5(tmp_path / "whole.h5", [*stored, TOP], group="model_weights")
    assert loaded_as_stored(whole, stored)


@pytest.mark.train
@IGNORE_COPIES
def test_files_that_keras_3_writes_load_too(tmp_path: Path) -> None:
    base = build_base("mobilenet_v2", 32, None)
    base.save_weights(tmp_path / "a.weights.h5")
    again = build_base("mobilenet_v2", 32, tmp_path / "a.weights.h5")
    assert same(base.get_weights(), again.get_weights())


def broken(path: Path, stored: list[tuple[str, Arrays]], how: str) -> Path:
    """Write a file that must be refused."""
    if how == "no HDF5":
        path.write_bytes(b"no HDF5")
        return path
    told = [(name, list(arrays)) for name, arrays in stored]
    if how == "not finite":
        told[1][1][0] = np.full_like(told[1][1][0], np.nan)
    elif how == "a layer less":
        del told[-5:]
    elif how == "other widths":
        told[1] = (told[1][0], [told[1][1][0][..., :16]])
    write_h5(path, told)
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:-100_000])
    elif how == "no layers":
        with h5py.File(path, "w") as file:
            file["pictures"] = np.zeros(3)
    return path


@pytest.mark.train
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("no HDF5", "it is no HDF5 file"),
        ("cut short", "truncated file"),
        ("a layer less", "nothing for layer"),
        ("other widths", "layer Conv1 takes 3x3x3x32, its layer Conv1 holds 3x3x3x16"),
        ("not finite", "not finite"),
        ("no layers", "no layers of Keras"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_two_lines(
    stored: list[tuple[str, Arrays]], tmp_path: Path, how: str, why: str
) -> None:
    path = broken(tmp_path / "other.h5", stored, how)
    with pytest.raises(DamagedDataError, match=why) as caught:
        build_base("mobilenet_v2", 32, path)
    assert "other.h5 do not fit mobilenet_v2" in caught.value.problem
    assert "\n" not in caught.value.problem
    assert "--weights" in caught.value.cure


@pytest.mark.train
@IGNORE_COPIES
def test_weights_of_another_backbone_are_refused_in_either_layout(tmp_path: Path) -> None:
    other = build_base("resnet18", 32, None)
    other.save_weights(tmp_path / "b.weights.h5")
    write_h5(tmp_path / "b.h5", [(layer.name, layer.get_weights()) for layer in other.layers])
    for name in ("b.weights.h5", "b.h5"):
        for backbone in ("mobilenet_v2", "resnet34", "small"):
            with pytest.raises(DamagedDataError, match=f"{name} do not fit {backbone}"):
                build_base(backbone, 32, tmp_path / name)


@pytest.mark.train
@pytest.mark.parametrize(
    ("backbone", "classes"),
    [("places365", 365), pytest.param("hybrid1365", 1365, marks=pytest.mark.slow)],
)
def test_places_weights_load_by_name_and_in_order_whatever_their_top(
    backbone: str, classes: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(classes)
    base = build_base(f"vgg16_{backbone}", 32, None)
    body = [
        (layer.name, [rng.random(v.shape, np.float32) for v in layer.get_weights()])
        for layer in base.layers
        if layer.weights
    ]
    caffe = [(f"conv{number}", arrays) for number, (_, arrays) in enumerate(body)]
    head = ("fc8a", [np.ones((8, classes), np.float32), np.ones(classes, np.float32)])
    for told in ([*body, head], [*caffe, head]):
        path = write_h5(tmp_path / "places.h5", told)
        got = build_base(f"vgg16_{backbone}", 32, path).get_weights()
        assert same(got, [array for _, arrays in body for array in arrays])
