"""The backbones are the published networks, fed as they were taught."""

import importlib
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.weights import IGNORE_COPIES

from sceneset.errors import SettingsError
from training.models.backbones.networks import Scaling, scale
from training.models.backbones.table import BACKBONES, build_base
from training.models.backend import load_backend
from training.models.classifier import FoldedTail
from training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[4]
DEEP = {"resnet101", "resnet152"}
EVERY = [
    pytest.param(name, marks=[pytest.mark.train] + [pytest.mark.slow] * (name in DEEP))
    for name in BACKBONES
]
# Trainable parameters with the top, as the publishers count them: Keras' table of applications
# less the statistics of batch normalisation; torchvision; GKalliatakis' pages
PUBLISHED = {
    "mobilenet_v2": (3_504_872, 1_281_000),
    "mobilenet_v3_large": (5_483_032, 1_230_080 + 1_281_000),
    "efficientnet_v2_b0": (7_139_704, 1_281_000),
    "resnet50": (25_583_592, 2_049_000),
    "resnet101": (44_601_832, 2_049_000),
    "resnet152": (60_268_520, 2_049_000),
    "resnet18": (11_689_512, 513_000),
    "resnet34": (21_797_672, 513_000),
    # the last normalisation is counted with the network in both
    "convnext_tiny": (28_589_128, 769_000),
    "vgg16": (138_357_544, 123_642_856),
    "vgg16_places365": (135_755_949, 121_041_261),
    "vgg16_hybrid1365": (139_852_949, 125_138_261),
}
MODULES = {
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3",
    "efficientnet_v2_b0": "efficientnet_v2",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "resnet152": "resnet",
    "convnext_tiny": "convnext",
    "vgg16": "vgg16",
    "vgg16_places365": "vgg16",
    "vgg16_hybrid1365": "vgg16",
}


@pytest.mark.parametrize("name", EVERY)
def test_each_network_has_its_published_parameters_and_the_layers_that_are_tapped_and_cut(
    name: str,
) -> None:
    row = BACKBONES[name]
    base = build_base(name, 64, None)
    assert base.count_params() == row.parameters
    assert base.input.shape == (None, 64, 64, 3)
    assert len(base.output.shape) == 4
    if name in PUBLISHED:
        whole, top = PUBLISHED[name]
        assert sum(int(np.prod(v.shape)) for v in base.trainable_weights) == whole - top
    if row.taps:
        assert base.get_layer(row.taps[-1]).output is base.output
        depths = [base.get_layer(tap).output.shape[1] for tap in row.taps]
        assert depths == sorted(depths, reverse=True)
        assert len(depths) > 2
    if row.fine_tune_from:
        assert _is_bottleneck(base, row.fine_tune_from)
        taps = [base.get_layer(tap).output for tap in row.taps]
        maps = np.zeros((1, *base.get_layer(row.fine_tune_from).output.shape[1:]), np.float32)
        answers = FoldedTail(base, row.fine_tune_from, taps)(maps)
        assert [one.shape[1:] for one in answers] == [tap.shape[1:] for tap in taps]


def _is_bottleneck(base: Any, cut: str) -> bool:  # noqa: ANN401  Keras has no types
    """Say whether the layers after the cut need nothing else of the layers before it."""
    keras = load_backend().keras
    middle = base.get_layer(cut).output
    try:
        keras.Model(middle, base.output)
    except ValueError:
        return False
    return 1 < middle.shape[1] <= base.input.shape[1] // 8


@pytest.mark.train
def test_a_name_of_a_layer_does_not_depend_on_what_was_built_before() -> None:
    for name in ("mobilenet_v3_large", "convnext_tiny"):
        build_base(name, 32, None)
        again = build_base(name, 32, None)
        assert again.get_layer(BACKBONES[name].taps[-1]).output is again.output


@pytest.mark.train
@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "small"])
def test_pictures_are_scaled_as_keras_applications_scales_them(name: str) -> None:
    keras = load_backend().keras
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 9, 9, 3)).astype(np.float32)
    image = keras.Input((9, 9, 3))
    scaled = keras.Model(image, keras.layers.Identity()(scale(image, BACKBONES[name].scaling)))
    if name in MODULES:
        module = importlib.import_module(f"keras.applications.{MODULES[name]}")
        expected = module.preprocess_input(pictures.copy())
    else:
        module = importlib.import_module("keras.applications.imagenet_utils")
        expected = module.preprocess_input(pictures.copy(), mode="torch")
    np.testing.assert_allclose(scaled(pictures), expected, rtol=0, atol=2e-5)


@pytest.mark.train
@pytest.mark.parametrize("name", [n for n, row in BACKBONES.items() if row.scaling == "none"])
def test_a_network_that_is_fed_plain_pixels_scales_them_itself(name: str) -> None:
    keras = load_backend().keras
    first = build_base(name, 32, None).layers[1]
    assert isinstance(first, keras.layers.Rescaling | keras.layers.Normalization)


@pytest.mark.train
@IGNORE_COPIES
@pytest.mark.parametrize("scaling", ["caffe", "torch", "minus_one_to_one"])
def test_scaling_survives_saving(scaling: Scaling, tmp_path: Path) -> None:
    keras = load_backend().keras
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, scale(image, scaling))
    model.save(tmp_path / "scaled.keras")
    again = keras.models.load_model(tmp_path / "scaled.keras")
    pictures = np.random.default_rng(1).integers(0, 256, (1, 4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(pictures), again(pictures))
    assert not again.trainable_weights


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "module", "key"),
    [
        ("mobilenet_v3_large", "mobilenet_v3", "large_224_1.0_float"),
        ("efficientnet_v2_b0", "efficientnet_v2", "b0"),
        ("resnet50", "resnet", "resnet50"),
        ("resnet101", "resnet", "resnet101"),
        ("resnet152", "resnet", "resnet152"),
        ("convnext_tiny", "convnext", "convnext_tiny"),
    ],
)
def test_files_and_checksums_are_those_that_keras_downloads(
    name: str, module: str, key: str
) -> None:
    source = importlib.import_module(f"keras.src.applications.{module}")
    pretrained = BACKBONES[name].pretrained
    assert pretrained
    assert pretrained.digest == source.WEIGHTS_HASHES[key][1]
    folder = getattr(source, "BASE_WEIGHTS_PATH", None) or source.BASE_WEIGHT_PATH
    assert pretrained.file_url(160).startswith(folder)


@pytest.mark.train
def test_vgg16_is_the_file_that_keras_downloads() -> None:
    source = importlib.import_module("keras.src.applications.vgg16")
    pretrained = BACKBONES["vgg16"].pretrained
    assert pretrained
    assert pretrained.file_url(160) == source.WEIGHTS_PATH_NO_TOP


def test_mobilenet_v2_has_a_file_for_each_official_size_and_224_for_the_others() -> None:
    pretrained = BACKBONES["mobilenet_v2"].pretrained
    assert pretrained
    assert pretrained.file_url(160).endswith("_1.0_160_no_top.h5")
    assert pretrained.file_url(100).endswith("_1.0_224_no_top.h5")


def test_the_help_of_train_names_every_backbone_without_importing_tensorflow() -> None:
    code = "import sys, cli; cli.main(['train', '--help']); print('tensorflow' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert told.endswith("False\n")
    assert all(name in told for name in BACKBONES)


def test_an_unknown_backbone_is_refused_with_the_list() -> None:
    with pytest.raises(SettingsError, match="no backbone 'resnet5'") as caught:
        TrainSettings(backbone="resnet5")
    assert all(name in caught.value.problem for name in BACKBONES)
    assert caught.value.cure == "--backbone resnet50"


def test_the_page_of_backbones_is_what_the_code_says() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_backbones.py"))["page"]()
    page = (ROOT / "docs" / "backbones.md").read_text(encoding="utf-8")
    assert page == written, "run: make docs"


@pytest.mark.parametrize("name", [n for n, row in BACKBONES.items() if row.pretrained])
def test_pretrained_weights_have_a_licence_and_a_page_that_says_so(name: str) -> None:
    own = BACKBONES[name].pretrained
    assert own is not None
    assert own.licence
    assert own.source.startswith("https://")
