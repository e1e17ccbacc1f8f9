"""An image preset of KerasHub is a backbone like any other; skipped without the extra `hub`."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sceneset.errors import DamagedDataError, SettingsError
from training.models.backbones.hub import shown_name
from training.models.backbones.table import BACKBONES, build_base, find_weights
from training.models.backend import load_backend

ROOT = Path(__file__).resolve().parents[4]
BASIC = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [2, 2, 2, 2],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
}
TRANSFORMER = {
    "image_shape": (64, 64, 3),
    "patch_size": 16,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 8,
    "mlp_dim": 16,
}
SCALE, OFFSET = (0.02, 0.03, 0.04), (-1.0, -2.0, -3.0)
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def hub() -> Any:  # noqa: ANN401  the library has no types
    if find_spec("keras_hub") is None:
        pytest.skip("needs the extra hub: pip install -e '.[hub]'")
    load_backend()
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def residual(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:  # noqa: ANN401
    """Return the folder of a preset and the network in it, which has random weights."""
    network = hub.models.ResNetBackbone(**BASIC)
    folder = tmp_path_factory.mktemp("presets") / "residual"
    save(hub, network, hub.layers.ResNetImageConverter, folder)
    return folder, network


def save(hub: Any, network: Any, converter: Any, folder: Path) -> None:  # noqa: ANN401
    network.save_to_preset(str(folder))
    converter(image_size=(64, 64), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))


def pictures() -> Any:  # noqa: ANN401
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def scaled() -> Any:  # noqa: ANN401
    return pictures() * np.array(SCALE, np.float32) + np.array(OFFSET, np.float32)


def test_bundles_name_a_preset_without_the_folders_above_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert shown_name(f"hub:{tmp_path / 'mine'}") == "hub:mine"
    for name in ("hub:keras/resnet/keras/resnet_18", "hf:user/name", "mobilenet_v2"):
        assert shown_name(name) == name


def test_a_preset_in_a_folder_gives_its_own_feature_map_of_plain_pixels(
    residual: tuple[Path, Any],
) -> None:
    folder, network = residual
    name = f"hub:{folder}"
    weights = find_weights(name, "imagenet", 64)
    assert weights == folder / "model.weights.h5"
    assert BACKBONES[name].scaling == "none"
    base = build_base(name, 64, weights)
    np.testing.assert_allclose(base(pictures()), network(scaled()), atol=1e-4)


def test_from_scratch_a_preset_gives_its_architecture_alone(residual: tuple[Path, Any]) -> None:
    name = f"hub:{residual[0]}"
    assert find_weights(name, "none", 64) is None
    base = build_base(name, 64, None)
    assert base.count_params() == residual[1].count_params()
    assert not np.allclose(base(pictures()), residual[1](scaled()), atol=1e-4)


def test_a_convolutional_preset_is_saved_without_need_of_the_extra(
    residual: tuple[Path, Any], tmp_path: Path
) -> None:
    name = f"hub:{residual[0]}"
    build_base(name, 64, None).save(tmp_path / "a.keras")
    code = (
        "import sys, keras; keras.models.load_model(sys.argv[1]); print('keras_hub' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.keras")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == "False\n"


def test_weights_of_another_preset_are_refused(
    hub: Any,  # noqa: ANN401
    residual: tuple[Path, Any],
    tmp_path: Path,
) -> None:
    deeper = hub.models.ResNetBackbone(**BASIC | {"stackwise_num_blocks": [3, 4, 6, 3]})
    deeper.save_weights(tmp_path / "deeper.weights.h5")
    for name, weights in ((f"hub:{residual[0]}", tmp_path / "deeper.weights.h5"),):
        with pytest.raises(DamagedDataError, match="do not fit hub:"):
            build_base(name, 64, weights)


def test_our_resnet18_is_the_one_of_keras_hub(residual: tuple[Path, Any]) -> None:
    network = residual[1]
    ours = build_base("resnet18", 64, None)
    for layer in network.layers:
        if layer.weights:
            name = re.sub(r"stack(\d)_block(\d)", _renumbered, layer.name)
            ours.get_layer(name).set_weights(layer.get_weights())
    np.testing.assert_allclose(ours(scaled()), network(scaled()), atol=1e-5)


def _renumbered(found: re.Match[str]) -> str:
    return f"conv{int(found[1]) + 2}_block{int(found[2]) + 1}"


def test_a_transformers_tokens_become_a_map_again_at_its_own_size_only(
    hub: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    network = hub.models.ViTBackbone(**TRANSFORMER)
    save(hub, network, hub.layers.ViTImageConverter, tmp_path / "p")
    name = f"hub:{tmp_path / 'p'}"
    base = build_base(name, 64, find_weights(name, "imagenet", 64))
    tokens = np.asarray(network(scaled()))
    assert tokens.shape == (2, 17, 8)
    np.testing.assert_allclose(base(pictures()), tokens[:, 1:].reshape(2, 4, 4, 8), atol=1e-4)
    with pytest.raises((DamagedDataError, SettingsError)):
        build_base(name, 96, find_weights(name, "imagenet", 96))


@pytest.mark.parametrize("name", ["hf:nobody/nothing", "hub:resnet_18_imagenet"])
def test_a_preset_that_cannot_be_downloaded_is_two_lines(
    hub: Any,  # noqa: ANN401
    name: str,
    drawn: Path,
    tmp_path: Path,
) -> None:
    refusing = "http://127.0.0.1:9"
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": refusing, "HTTPS_PROXY": refusing}
    command = [sys.executable, str(ROOT / "cli.py"), "train", "--dataset", str(drawn)]
    done = subprocess.run(
        [*command, "--backbone", name, "--out", str(tmp_path / "out")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    problem, cure = done.stderr.splitlines()
    assert done.returncode == 2
    assert f"the preset {name} could not be downloaded" in problem
    assert cure == "  try: name a folder that save_to_preset wrote: --backbone hub:FOLDER"
    assert not (tmp_path / "models").exists()
