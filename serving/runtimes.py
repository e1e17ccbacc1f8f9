"""Choose what runs a bundle's model: LiteRT, or ONNX Runtime."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pipeline.errors import MissingExtraError, MissingInputError

Runtime = Literal["litert", "onnx"]
RuntimeName = Literal["auto", "litert", "onnx"]
FILES: dict[Runtime, str] = {"litert": "model.tflite", "onnx": "model.onnx"}
PACKAGES: dict[Runtime, str] = {"litert": "ai_edge_litert", "onnx": "onnxruntime"}
_EXTRAS: dict[Runtime, str] = {"litert": "serve", "onnx": "onnx"}


def is_installed(package: str) -> bool:
    """Say whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def choose_runtime(
    asked: RuntimeName, folder: Path, installed: Callable[[str], bool] = is_installed
) -> Runtime:
    """Return what runs the model in a bundle's folder.

    `auto` is LiteRT, which needs less memory at the same rate; ONNX Runtime where LiteRT or its
    file is missing and ONNX Runtime and its file are there. Raises MissingInputError when the
    bundle lacks the file that was asked for, MissingExtraError when the package is not installed.
    """
    if asked == "auto":
        able: list[Runtime] = [
            one
            for one, package in PACKAGES.items()
            if (folder / FILES[one]).is_file() and installed(package)
        ]
        return able[0] if able else "litert"
    if asked != "litert" and not (folder / FILES[asked]).is_file():
        raise MissingInputError(
            f"--engine {asked}: the bundle at {folder} has no {FILES[asked]}",
            cure=f"train or convert again with --export {asked}, or leave --engine out",
        )
    if not installed(PACKAGES[asked]):
        raise MissingExtraError(
            f"--engine {asked} needs the package {PACKAGES[asked]}, which is not installed",
            cure=f"pip install -e '.[{_EXTRAS[asked]}]'",
        )
    return asked
