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
    file is missing and ONNX Runtime's file is there. Raises MissingInputError when the bundle lacks
    the file that was asked for, MissingExtraError when the package is not installed.
    """
    if asked == "auto":
        return _automatic(folder, installed)
    if asked != "litert" and not (folder / FILES[asked]).is_file():
        raise MissingInputError(
            f"--engine {asked}: the bundle at {folder} has no {FILES[asked]}",
            cure=f"train or convert again with --export {asked}, or leave --engine out",
        )
    _check_package(asked, f"--engine {asked}", installed)
    return asked


def _automatic(folder: Path, installed: Callable[[str], bool]) -> Runtime:
    """Return the first that can run; else say what the first whose file is there needs."""
    there: list[Runtime] = [one for one, file in FILES.items() if (folder / file).is_file()]
    able = [one for one in there if installed(PACKAGES[one])]
    if able:
        return able[0]
    if there:
        _check_package(there[0], str(folder / FILES[there[0]]), installed)
    return "litert"  # whose loader says that the file is missing


def _check_package(runtime: Runtime, what: str, installed: Callable[[str], bool]) -> None:
    if not installed(PACKAGES[runtime]):
        raise MissingExtraError(
            f"{what} needs the package {PACKAGES[runtime]}, which is not installed",
            cure=f"pip install -e '.[{_EXTRAS[runtime]}]'",
        )
