"""Write a bundle around a real LiteRT model that names a picture's mean colour."""

import json
import shutil
from pathlib import Path

import numpy as np

from sceneset.checksums import hash_files
from support import MODELS

# 1.6 kB: GlobalAveragePooling, Dense(3) with 8/255 times the identity, Softmax, at 32 px.
MODEL = MODELS / "mean_colour.tflite"
# 1.6 kB: the same network's 4 x 4 feature map (AveragePooling of 8 px) and its mean.
EXPLAIN = MODELS / "mean_colour_explain.tflite"


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


def write_model(folder: Path) -> Path:
    """Write a model folder whose classes are red, green and blue, in that order of channels."""
    write_bundle(folder / "1", ["red", "green", "blue"])
    (folder / "current").symlink_to("1")
    return folder
