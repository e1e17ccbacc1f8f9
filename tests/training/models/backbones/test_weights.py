import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sceneset.errors import DamagedDataError, SettingsError
from training.models.backbones.table import build_base, find_weights, imagenet_available

ROOT = Path(__file__).resolve().parents[4]
NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{}_no_top.h5"


@pytest.mark.parametrize(("size", "trained_at"), [(160, 160), (100, 224), (224, 224), (96, 96)])
def test_weights_that_lie_in_keras_own_folder_are_available(
    tmp_path: Path, size: int, trained_at: int
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / NAME.format(trained_at)).write_bytes(b"x")
    assert imagenet_available(size, home=tmp_path) is None


def test_without_a_network_training_ends_at_once_with_what_to_do(
    drawn: Path, tmp_path: Path
) -> None:
    refusing = "http://127.0.0.1:9"
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": refusing, "HTTPS_PROXY": refusing}
    command = [sys.executable, str(ROOT / "cli.py"), "train", "--dataset", str(drawn)]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    problem, cure = done.stderr.splitlines()
    assert done.returncode == 2
    assert problem.startswith(
        "sceneset train: ImageNet weights for mobilenet_v2 could not be downloaded: "
    )
    assert cure == "  try: --weights PATH (a Keras .h5 without top), or --weights none"
    assert time.monotonic() - began < 10
    assert not (tmp_path / "out").exists()


def test_no_file_is_looked_for_where_training_starts_from_scratch() -> None:
    assert find_weights("mobilenet_v2", "none", 160) is None
    assert find_weights("small", "imagenet", 160) is None


def test_a_path_that_is_no_file_and_weights_for_small_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"lost\.h5 is no file"):
        find_weights("mobilenet_v2", str(tmp_path / "lost.h5"), 160)
    with pytest.raises(SettingsError, match="small has no pretrained weights"):
        find_weights("small", str(tmp_path), 160)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(DamagedDataError, match=r"other\.h5 do not fit mobilenet_v2"):
        build_base("mobilenet_v2", 32, path)
    other = build_base("small", 32, None)
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(DamagedDataError, match=r"other\.weights\.h5 do not fit"):
        build_base("mobilenet_v2", 32, tmp_path / "other.weights.h5")


@pytest.mark.train
def test_pictures_smaller_than_a_backbone_takes_are_refused() -> None:
    with pytest.raises(SettingsError, match="16 px, mobilenet_v2 needs 32"):
        build_base("mobilenet_v2", 16, None)


@pytest.mark.train
def test_the_small_backbone_is_small() -> None:
    base = build_base("small", 160, None)
    assert base.count_params() < 300_000
    assert base.output.shape[1:] == (5, 5, 128)
    assert np.isfinite(base(np.zeros((1, 160, 160, 3), np.float32), training=False)).all()
