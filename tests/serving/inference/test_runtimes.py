"""LiteRT and ONNX Runtime stand behind one interface, and what lacks is told in two lines."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support import MODELS
from support.served_model import RED, Client

from sceneset.bundle.reader import open_bundle
from sceneset.checksums import hash_files
from sceneset.errors import DamagedDataError, MissingExtraError, MissingInputError
from serving.inference.engine import Engine
from serving.settings import ServeSettings, choose_runtime

ROOT = Path(__file__).resolve().parents[3]
# 0.4 kB: the network of mean_colour.tflite.
ONNX = MODELS / "mean_colour.onnx"
needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="onnxruntime (extra onnx) is not installed"
)


@pytest.fixture
def both(model: Path) -> Path:
    """Return a bundle that holds its network for either runtime."""
    folder = model / "1"
    shutil.copy(ONNX, folder / "model.onnx")
    record = {"format": 1, "files": hash_files(folder, without="bundle.json")}
    (folder / "bundle.json").write_text(json.dumps(record))
    return folder


def no_package(_name: str) -> bool:
    return False


def only(package: str) -> Callable[[str], bool]:
    return lambda name: name == package


def test_auto_is_litert_and_onnx_where_that_is_missing(both: Path) -> None:
    assert choose_runtime("auto", both) == "litert"
    assert choose_runtime("auto", both, lambda _: True) == "litert"
    assert choose_runtime("auto", both, only("onnxruntime")) == "onnx"
    (both / "model.tflite").unlink()
    assert choose_runtime("auto", both, lambda _: True) == "onnx"
    (both / "model.onnx").unlink()
    assert choose_runtime("auto", both, lambda _: True) == "litert"  # which says what lacks


def test_auto_names_the_package_that_a_bundle_of_one_file_needs(both: Path) -> None:
    for lost, package, extra in (
        ("none", "ai_edge_litert", "serve"),
        ("model.tflite", "onnxruntime", "onnx"),
    ):
        (both / lost).unlink(missing_ok=True)
        with pytest.raises(MissingExtraError, match=f"needs the package {package}") as caught:
            choose_runtime("auto", both, no_package)
        assert caught.value.cure == f"pip install -e '.[{extra}]'"
    with pytest.raises(MissingExtraError, match="needs the package onnxruntime"):
        choose_runtime("auto", both, only("ai_edge_litert"))


def test_a_missing_package_and_a_missing_file_are_told_apart(both: Path) -> None:
    with pytest.raises(MissingExtraError, match="needs the package onnxruntime"):
        choose_runtime("onnx", both, no_package)
    with pytest.raises(MissingExtraError, match="needs the package ai_edge_litert"):
        choose_runtime("litert", both, no_package)
    (both / "model.onnx").unlink()
    with pytest.raises(MissingInputError, match=r"has no model\.onnx"):
        choose_runtime("onnx", both, lambda _: True)


def test_the_command_says_in_two_lines_what_lacks(model: Path, pictures: Path) -> None:
    words = ["classify", str(pictures), "--model", str(model), "--engine", "onnx"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words], capture_output=True, text=True, check=False
    )
    first, second = done.stderr.splitlines()
    assert done.returncode == 2
    assert "has no model.onnx" in first
    assert "--export onnx" in second


@needs_onnx
def test_both_runtimes_answer_alike(both: Path, pictures: Path) -> None:
    bundle = open_bundle(both)
    engines = [Engine(bundle, runtime="litert"), Engine(bundle, runtime="onnx")]
    for path in sorted(pictures.rglob("*.[pP]*")):
        lite, onnx = (engine.classify(path.read_bytes()) for engine in engines)
        assert np.abs(lite - onnx).max() < 1e-6


@needs_onnx
def test_a_model_for_onnx_that_does_not_fit_or_is_none_is_refused(both: Path) -> None:
    bundle = open_bundle(both)
    (both / "model.onnx").write_bytes(b"garbage" * 20)
    with pytest.raises(DamagedDataError, match=r"model\.onnx cannot be run"):
        Engine(bundle, runtime="onnx")


@needs_onnx
def test_the_server_answers_with_onnx(
    serve: Callable[[ServeSettings], AbstractContextManager[Client]], both: Path
) -> None:
    with serve(ServeSettings(model=both, engine="onnx", watch=0)) as client:
        assert client.post("/v1/classify", RED).json[0]["label"] == "red"
        digest = json.loads((both / "bundle.json").read_text())["files"]["model.onnx"]
        assert client.get("/v1/model").json["sha256"] == digest
