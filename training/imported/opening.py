"""Open a model that was trained elsewhere: a .keras or .h5 file, or a SavedModel's folder."""

import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sceneset.errors import (
    DamagedDataError,
    InterruptedRunError,
    MissingInputError,
    SettingsError,
    first_line,
)
from training.exports.saved_model import native_work
from training.models.backend import keras, tf

GRAPH = "saved_model.pb"
SIGNATURE = "serving_default"
_RECORD = "bundle.json"
_TAKEN = "give a .keras file, a whole .h5 model, or a SavedModel's folder"
_OTHERS = {
    ".tflite": "serve it as it is: sceneset serve FILE.tflite --class-names FILE",
    ".onnx": "convert the Keras model that it was made from",
    ".pt": "build the network in Keras, load its weights, and save it as .keras",
    ".pth": "build the network in Keras, load its weights, and save it as .keras",
}
_CODE = re.compile(r"Could not locate class '(\w+)'|Unknown layer: '(\w+)'|object '(\w+)'")


@dataclass(frozen=True)
class ImportedModel:
    """A model that was trained elsewhere, as its file holds it.

    `run` maps pixels float32[N, size, size, 3], in the range that the model was taught, to its own
    output. `network` is the Keras model; None for a SavedModel, which is a graph and `variables`.
    """

    path: Path
    takes: tuple[int | None, ...]
    gives: tuple[int | None, ...]
    dtype: str
    run: Callable[[Any], Any]
    variables: tuple[Any, ...]
    network: Any = None


def open_imported(path: Path) -> ImportedModel:
    """Open a model that maps one tensor to one.

    Raises MissingInputError when nothing is there, SettingsError for what cannot be taken in,
    DamagedDataError for a file that is cut short.
    """
    check_kind(path)
    if path.is_dir():
        return _open_graph(newest_graph(path))
    with native_work():
        network = _in_float32(_load(path))
    one_in, one_out = _only(path, network.inputs, "inputs"), _only(path, network.outputs, "outputs")
    return ImportedModel(
        path,
        tuple(one_in.shape),
        tuple(one_out.shape),
        str(one_in.dtype),
        lambda pixels: _call(network, pixels),
        tuple(network.variables),
        network,
    )


def check_kind(path: Path) -> None:
    """Refuse, by its name and its first bytes, what is no model that Keras or TensorFlow wrote."""
    if not path.exists():
        raise MissingInputError(f"no model at {path}", cure=_TAKEN)
    if path.is_dir():
        if (path / _RECORD).is_file():
            raise SettingsError(
                f"{path} is a bundle already", cure=f"sceneset serve --model {path}"
            )
        newest_graph(path)
        return
    kind = path.suffix.lower()
    if kind == ".keras":
        if not zipfile.is_zipfile(path):
            raise _damaged(path, "it is no whole .keras archive")
    elif kind in {".h5", ".hdf5"}:
        _check_h5(path)
    else:
        raise SettingsError(f"{path} is no model of Keras", cure=_OTHERS.get(kind, _TAKEN))


def newest_graph(path: Path) -> Path:
    """Return the folder of a SavedModel: this one, or the highest of its numbered versions."""
    if (path / GRAPH).is_file():
        return path
    numbered = [one.parent for one in path.glob(f"*/{GRAPH}") if one.parent.name.isdecimal()]
    if not numbered:
        raise SettingsError(f"the folder {path} holds no {GRAPH}", cure=_TAKEN)
    return max(numbered, key=lambda folder: int(folder.name))


def describe_error(error: Exception) -> str:
    """Return the first line of an error's words, or its kind; of a converter's, what went wrong."""
    text = re.sub(r"\x1b\[\d+m|Exception encountered when calling .*", "", str(error))
    converters = re.search(r"error: (.+)", text)
    return first_line(error, converters[1] if converters else text, limit=300)


def _check_h5(path: Path) -> None:
    """Refuse weights without a network, and code: older Keras runs it from .h5 files unasked."""
    import h5py  # noqa: PLC0415  comes with Keras

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except OSError as error:
        raise _damaged(path, "it is no whole HDF5 file") from error
    if config is None:
        raise SettingsError(
            f"{path} holds weights without a network",
            cure="save the whole model: model.save('model.keras')",
        )
    layers: list[dict[str, object]] = []
    try:
        # Read as Keras reads it: escaped letters can hide a name from a search of the text.
        json.loads(config, object_hook=layers.append)
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(path, "its network is no JSON") from error
    names = (str(one.get(key)) for one in layers for key in ("class_name", "registered_name"))
    if any(name.rpartition(">")[2] == "Lambda" for name in names):
        raise _holds_code(path, "Lambda")


def _load(path: Path) -> Any:  # noqa: ANN401  Keras has no types
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except InterruptedRunError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, KeyError) as error:
        raise _damaged(path, describe_error(error)) from error
    except Exception as error:  # an imported file makes Keras raise whatever it likes
        code = _CODE.search(str(error))
        if "Lambda" in str(error) or code:
            name = next(filter(None, code.groups())) if code else "Lambda"
            raise _holds_code(path, name) from error
        raise SettingsError(
            f"Keras cannot load {path}: {describe_error(error)}",
            cure="save it anew with a present Keras: model.save('model.keras')",
        ) from error


def _in_float32(network: Any) -> Any:  # noqa: ANN401
    """Return a network that computes in float32: one of half precision has its weights in it too."""
    if all(layer.compute_dtype == "float32" for layer in network.layers):
        return network

    def whole(layer: Any) -> Any:  # noqa: ANN401
        return layer.__class__.from_config(layer.get_config() | {"dtype": "float32"})

    copy = keras.models.clone_model(network, clone_function=whole, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _call(network: Any, pixels: Any) -> Any:  # noqa: ANN401
    """Return the one output of a network, whose input and output may have names, as in a dict."""
    if isinstance(network, keras.Sequential):
        return network(pixels, training=False)
    given = keras.tree.pack_sequence_as(network.input, [pixels])
    return keras.tree.flatten(network(given, training=False))[0]


def _open_graph(path: Path) -> ImportedModel:
    try:
        with native_work():
            loaded = tf.saved_model.load(str(path))
    except InterruptedRunError:
        raise
    except Exception as error:  # TensorFlow raises what it likes about a damaged graph
        raise _damaged(path, describe_error(error)) from error
    key = _signature_name(path, list(loaded.signatures))
    signature = loaded.signatures[key]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    name, takes = _only(path, list(inputs.items()), "inputs")
    answer, gives = _only(path, list(outputs.items()), "outputs")

    def run(pixels: Any) -> Any:  # noqa: ANN401
        # By way of `loaded`: without it the signature would lose its variables.
        return loaded.signatures[key](**{name: tf.cast(pixels, takes.dtype)})[answer]

    variables = tuple(signature.variables)
    return ImportedModel(path, _shape(takes), _shape(gives), takes.dtype.name, run, variables)


def _shape(tensor: Any) -> tuple[int | None, ...]:  # noqa: ANN401
    return () if tensor.shape.rank is None else tuple(tensor.shape)


def _signature_name(path: Path, names: list[str]) -> str:
    if SIGNATURE in names:
        return SIGNATURE
    if len(names) == 1:
        return names[0]
    raise SettingsError(
        f"{path} has no signature {SIGNATURE} (it has {', '.join(names) or 'none'})",
        cure=f"export it with one, as model.export('folder') does, or name it {SIGNATURE}",
    )


def _only(path: Path, tensors: Any, word: str) -> Any:  # noqa: ANN401
    if len(tensors) != 1:
        raise SettingsError(
            f"{path} has {len(tensors)} {word}, a classifier of pictures has one",
            cure="save a model from one picture to one row of classes",
        )
    return tensors[0]


def _holds_code(path: Path, name: str) -> SettingsError:
    return SettingsError(
        f"{path} needs code of its own ({name}), and code from a file is not run",
        cure="export its graph where that code is: model.export('folder'), and convert the folder",
    )


def _damaged(path: Path, why: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} cannot be read: {why}", cure="copy or save it anew: the file is not whole"
    )
