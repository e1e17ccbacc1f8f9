"""Name the exports: what `--export` takes and which files it stands for."""

from importlib.util import find_spec

from pipeline.errors import MissingExtraError, SettingsError

FILES = {
    "keras": "model.keras",
    "saved_model": "saved_model",
    "litert": "model.tflite",
    "fp16": "model_fp16.tflite",
    "int8": "model_int8.tflite",
    "onnx": "model.onnx",
}
EXPLAIN_FILE, HEAD_FILE = "explain.tflite", "head.npz"
# `evaluate` measures the first, `classify` runs the second.
ALWAYS = ("keras", "litert")
DEFAULT_EXPORTS = "keras,saved_model,litert,fp16,int8"
ONNX_PACKAGES = ("tf2onnx", "onnxruntime")


def parse_exports(text: str) -> tuple[str, ...]:
    """Return the kinds that a list of words names, in their fixed order; `all` names every one.

    Raises SettingsError for an unknown word, MissingExtraError when onnx is asked for by name and
    a package for it is missing.
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(words - {*FILES, "all"})
    if unknown:
        raise SettingsError(
            f"--export {unknown[0]!r} is no kind of export",
            cure=f"name any of {', '.join(FILES)}, or all",
        )
    lacking = missing_packages()
    if "onnx" in words and lacking:
        raise MissingExtraError(
            f"--export onnx needs the package {lacking[0]}, which is not installed",
            cure="pip install -e '.[onnx]'",
        )
    wanted = words | set(ALWAYS) | (set(FILES) if "all" in words else set())
    return tuple(kind for kind in FILES if kind in wanted)


def missing_packages() -> list[str]:
    """Return what an ONNX export needs and is not installed."""
    return [name for name in ONNX_PACKAGES if find_spec(name) is None]
