"""Make a bundle around a real LiteRT model that names a picture's mean colour."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.checksums import hash_files

# 1.6 kB: GlobalAveragePooling, Dense(3) with 8/255 times the identity, Softmax, at 32 px.
MODEL = Path(__file__).with_name("mean_colour.tflite")
# 1.6 kB: the same network's 4 x 4 feature map (AveragePooling of 8 px) and its mean.
EXPLAIN = Path(__file__).with_name("mean_colour_explain.tflite")


def write_bundle(folder: Path, names: list[str], size: int = 32) -> Path:
    """Write the files that serving reads, and their hashes."""
    folder.mkdir(parents=True)
    shutil.copy(MODEL, folder / "model.tflite")
    shutil.copy(EXPLAIN, folder / "explain.tflite")
    kernel, bias = np.eye(3, dtype=np.float32) * 8 / 255, np.zeros(3, np.float32)
    np.savez(folder / "head.npz", kernel_0=kernel, bias_0=bias)
    (folder / "class_names.json").write_text(json.dumps(names))
    (folder / "preprocess.json").write_text(json.dumps({"size": size, "fit": "crop"}))
    record = {"format": 1, "files": hash_files(folder, without="bundle.json")}
    (folder / "bundle.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model folder whose classes are red, green and blue, in that order of channels."""
    folder = tmp_path / "models" / "colours"
    write_bundle(folder / "1", ["red", "green", "blue"])
    (folder / "current").symlink_to("1")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with a red, a green and a blue picture, the last one deeper."""
    folder = tmp_path / "pictures"
    colours = {"a.png": "#f02010", "b.png": "#20d030", "deep/c.PNG": "#1020e0"}
    for name, colour in colours.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(colour))
    (folder / "notes.txt").write_text("no picture")
    return folder


def png(colour: str) -> bytes:
    """Draw a flat picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()
