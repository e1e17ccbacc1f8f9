"""VGG-16 of Places365: its weights in the published layout, its categories, its bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.imported import vgg16_layers, write_vgg16
from support.weights import IGNORE_COPIES, write_h5

from sceneset.bundle.reader import open_bundle
from sceneset.errors import DamagedDataError, MissingInputError, SettingsError
from sceneset.progress import Output
from training.commands.convert import places365
from training.imported.vgg16 import (
    category_names,
    channels_last,
    check_layers,
    find_file,
    find_list,
    is_published,
    open_vgg16,
    read_categories,
    read_layers,
    read_list,
)
from training.models.backend import load_backend
from training.settings import PlacesSettings

HERE = Path("list.txt")


def test_category_lines_become_the_names_of_the_endpoint() -> None:
    lines = ["/v/volcano 1", "/l/lake/natural 0", "/b/bow_window/indoor 2"]
    assert category_names(lines, HERE) == ["lake-natural", "volcano", "bow_window-indoor"]


def test_objects_have_their_first_name_and_their_number_where_two_share_it() -> None:
    lines = [
        "n01440764 tench, Tinca tinca 0",
        "n02012849 crane 1",
        "n03126707 crane 2",
        "n09472597 volcano 3",
        "/v/volcano 4",
    ]
    assert category_names(lines, HERE) == [
        "tench", "crane (n02012849)", "crane (n03126707)", "volcano (n09472597)", "volcano",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/a/airfield 0\nsomething else\n", "'something else'"),
        ("/a/airfield 0\n/a/alley 2\n", "labels are not 0 to 1"),
        ("/a/alley 0\n/b/alley 1\n", "'alley' 2 times"),
    ],
)
def test_a_list_with_a_hole_or_a_strange_line_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_categories(tmp_path / "c.txt")


def test_any_other_file_of_class_names_will_do(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("volcano\nlake-natural\n")
    (tmp_path / "c.json").write_text('["volcano", "lake-natural"]')
    for name in ("c.txt", "c.json"):
        assert read_categories(tmp_path / name) == ("volcano", "lake-natural")
    with pytest.raises(MissingInputError):
        read_categories(tmp_path / "none.txt")


def test_what_cannot_be_downloaded_is_told_with_the_file_to_give_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    requested: list[str] = []

    def refuse(url: str, _path: Path) -> str:
        requested.append(url)
        return "no route to host"

    with pytest.raises(MissingInputError, match="no route to host") as caught:
        find_file("hybrid", refuse)
    assert "--weights PATH" in caught.value.cure
    with pytest.raises(MissingInputError, match=r"categories_places365\.txt") as caught:
        find_list(365, refuse)
    assert "--class-names FILE" in caught.value.cure
    assert "hybrid1365_weights" in requested[0]
    with pytest.raises(SettingsError, match="7 classes"):
        find_list(7, refuse)
    with pytest.raises(SettingsError, match="is no file"):
        find_file(str(tmp_path / "none.h5"), refuse)


def test_what_was_downloaded_once_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fetch(_url: str, path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_text("/a/airfield 0\n")

    first = find_list(1365, fetch)
    assert find_list(1365, fetch) == first == tmp_path / "models" / "categories_hybrid1365.txt"


def test_weights_that_are_no_vgg16_are_refused(tmp_path: Path) -> None:
    layers = vgg16_layers(5)
    turned = [(name, [arrays[0].T, arrays[1]]) for name, arrays in layers]
    broken = [(name, [arrays[0] * np.nan, arrays[1]]) for name, arrays in layers]
    for stored, words in (
        (layers[:-1], "15 layers"),
        (layers[:-3] + layers[-2:], "15 layers"),
        (turned, r"block1_conv1 is \(4, 3, 3, 3\)"),
        (broken, "no numbers"),
    ):
        path = write_h5(tmp_path / "w.h5", stored)
        with pytest.raises(DamagedDataError, match=words):
            check_layers(path, read_layers(path))
    (tmp_path / "w.h5").write_bytes(b"x")
    with pytest.raises(DamagedDataError, match="cannot be read"):
        read_layers(tmp_path / "w.h5")


def test_rows_of_a_channels_first_kernel_go_to_their_places() -> None:
    first = np.arange(2 * 3 * 3, dtype=np.float32)[:, None]  # [2 channels, 3, 3]
    last = channels_last(first, 3)
    picture = np.random.default_rng(0).normal(size=(3, 3, 2))
    before = picture.transpose(2, 0, 1).reshape(-1) @ first
    assert picture.reshape(-1) @ last == pytest.approx(before)


@pytest.mark.train
@IGNORE_COPIES
def test_the_network_is_the_one_that_keras_builds(tmp_path: Path) -> None:
    layers = vgg16_layers(7, 64)
    found = open_vgg16(write_h5(tmp_path / "w.h5", layers))[0].network
    keras = load_backend().keras
    kinds = keras.layers
    x = picture = keras.Input((64, 64, 3))
    for name, (kernel, _) in layers[:13]:
        x = kinds.Conv2D(kernel.shape[-1], 3, padding="same", activation="relu", name=name)(x)
        if name in {"block1_conv2", "block2_conv2", *(f"block{b}_conv3" for b in (3, 4, 5))}:
            x = kinds.MaxPooling2D()(x)
    x = kinds.Flatten()(x)
    for (name, (kernel, _)), end in zip(layers[13:], ("relu", "relu", "softmax"), strict=True):
        x = kinds.Dense(kernel.shape[-1], activation=end, name=name)(x)
    network = keras.Model(picture, x)
    for name, arrays in layers:
        network.get_layer(name).set_weights(arrays)
    pixels = np.random.default_rng(1).normal(0, 60, (2, 64, 64, 3)).astype(np.float32)
    assert np.abs(np.asarray(found(pixels)) - np.asarray(network(pixels))).max() < 1e-6


@pytest.mark.train
@IGNORE_COPIES
def test_caffes_names_mean_channels_first_except_in_the_published_file(tmp_path: Path) -> None:
    layers = vgg16_layers(5, 64, caffe=True)
    path = write_h5(tmp_path / "w.h5", layers)
    kernel = layers[13][1][0]
    for options, order, wanted in (
        ({}, "first", channels_last(kernel, 2)),
        ({"published": True}, "last", kernel),
        ({"channels": "first", "published": True}, "first", channels_last(kernel, 2)),
    ):
        model, channels, _ = open_vgg16(path, **options)  # type: ignore[arg-type]  a table of options
        assert channels == order
        assert np.array_equal(model.network.get_layer("fc6").get_weights()[0], wanted)
    _, channels, _ = open_vgg16(write_h5(tmp_path / "k.h5", vgg16_layers(5, 64)))
    assert channels == "last"
    assert is_published(Path("here/vgg16-places365_weights_tf_dim_ordering_tf_kernels.h5"))
    assert not is_published(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("/a/airfield 0\n/a/alley 1\n", "2 names"), ("/a/airfield 0\n<html>\n", "another form|html")],
)
def test_a_wrong_list_in_the_cache_is_told_as_a_download_to_remove(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "categories_places365.txt"
    path.write_text(text)
    with pytest.raises(DamagedDataError, match=words) as caught:
        read_list(path, 365)
    assert str(path) in caught.value.problem
    assert "remove that file" in caught.value.cure


@pytest.mark.train
@IGNORE_COPIES
@pytest.mark.parametrize("classes", [365, 1365])
def test_a_file_in_the_published_layout_becomes_a_bundle(tmp_path: Path, classes: int) -> None:
    path = write_vgg16(tmp_path / "vgg16.h5", classes)
    names = tmp_path / "categories.txt"
    names.write_text("".join(f"/p/place/{label} {label}\n" for label in range(classes)))
    settings = PlacesSettings(
        weights=str(path), out=tmp_path / "out", class_names=names, export="keras"
    )
    summary: dict[str, Any] = dict(places365(settings=settings, output=Output(quiet=True)).summary)
    assert (summary["classes"], summary["size"]) == (classes, 32)
    assert summary["scaling"] == "caffe"
    bundle = open_bundle(tmp_path / "out")
    assert bundle.class_names[-1] == f"place-{classes - 1}"
    assert bundle.fit == "stretch"
    assert bundle.record["channels"] == "last"
    assert "Keras' names" in summary["found_by"]["channels"]
