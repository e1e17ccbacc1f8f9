"""Take any image preset of KerasHub as a backbone: `hf:USER/NAME`, `hub:PRESET`, `hub:FOLDER`."""

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sceneset.atomic import new_folder
from sceneset.errors import MissingInputError, SettingsError, first_line
from training.models.backbones.networks import Backbone
from training.models.backbones.weight_files import keras_home, load_keras_file, unreachable
from training.models.backend import keras, load_backend

PREFIXES = ("hf:", "hub:")
_SMALLEST = 32
_CONFIG = "config.json"
PRESET_WEIGHTS = "model.weights.h5"
_SITES = {"hf:": "https://huggingface.co/", "hub:": "https://www.kaggle.com/"}
_INNER = "preset"
_CURE = "name a folder that save_to_preset wrote: --backbone hub:FOLDER"


def preset_backbone(name: str) -> Backbone:
    """Describe a preset; nothing is read or downloaded until it is built."""
    return Backbone(
        name,
        partial(_build, name),
        "none",
        smallest=_SMALLEST,
        load=lambda base, path: load_keras_file(base.get_layer(_INNER), path),
    )


def path_name(name: str) -> str:
    """Return a backbone's name as it can stand in a file's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def shown_name(name: str) -> str:
    """Return a backbone's name without the user's folders, as bundles hold it: they are passed on."""
    prefix, _, rest = name.partition(":")
    is_own = prefix == "hub" and (Path(rest) / _CONFIG).is_file()
    return f"hub:{Path(rest).resolve().name}" if is_own else name


def find_preset(name: str) -> Path:
    """Return a preset's folder, downloaded once into Keras' own when it is no folder itself.

    Raises MissingInputError when it cannot be had (known after 5 s), ModuleNotFoundError without
    the extra.
    """
    if find_spec("keras_hub") is None:
        raise ModuleNotFoundError("No module named 'keras_hub'", name="keras_hub")
    prefix, _, rest = name.partition(":")
    own = Path(rest)
    kept = keras_home() / "models" / "presets" / path_name(name)
    for folder in (own, kept) if prefix == "hub" else (kept,):
        if (folder / _CONFIG).is_file():
            return folder
    why = unreachable(_SITES[f"{prefix}:"]) or _download(
        f"hf://{rest}" if prefix == "hf" else rest, kept
    )
    if why is not None:
        raise MissingInputError(f"the preset {name} could not be downloaded: {why}", cure=_CURE)
    return kept


def _download(url: str, folder: Path) -> str | None:
    hub = _keras_hub()
    try:
        backbone = hub.models.Backbone.from_preset(url)
        converter = hub.layers.ImageConverter.from_preset(url)
        with new_folder(folder) as part:
            backbone.save_to_preset(str(part))
            converter.save_to_preset(str(part))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        return " ".join(str(error).split())[:200] or type(error).__name__
    return None


def _build(name: str, size: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build a preset's network with random weights, its own scaling of 0..255 in front.

    Raises SettingsError for a network that is no image backbone or does not take this size.
    """
    hub, folder = _keras_hub(), str(find_preset(name))
    try:
        converter = hub.layers.ImageConverter.from_preset(folder)
        network = hub.models.Backbone.from_preset(
            folder, load_weights=False, image_shape=(size, size, 3)
        )
        inner = keras.Model(network.input, network.output, name=_INNER)
        image = keras.Input((size, size, 3))
        out = _feature_map(inner(_scaled(image, converter)))
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(
            f"{name} cannot be a backbone for pictures of {size} px: {first_line(error)}",
            cure="name a preset of an image classifier, or curate at the size it was made for",
        ) from error
    return keras.Model(image, out, name=path_name(shown_name(name)).replace(".", "-"))


def _scaled(image: Any, converter: Any) -> Any:  # noqa: ANN401
    factor = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    return keras.layers.Rescaling(factor, offset=offset)(image)


def _feature_map(out: Any) -> Any:  # noqa: ANN401
    """Name the feature map; a transformer's tokens become one again, the class token left out."""
    layers = keras.layers
    if len(out.shape) == 3:  # noqa: PLR2004  batch, tokens, values
        tokens, values = out.shape[1:]
        side = int(tokens**0.5)
        out = layers.Cropping1D((tokens - side * side, 0))(out)
        out = layers.Reshape((side, side, values))(out)
    if len(out.shape) != 4:  # noqa: PLR2004  batch, height, width, channels
        raise ValueError(f"its output has the shape {out.shape}")
    return layers.Identity(name="out")(out)


def _keras_hub() -> Any:  # noqa: ANN401
    """Import KerasHub after TensorFlow."""
    load_backend()
    import keras_hub  # noqa: PLC0415  an extra, and seconds to import

    return keras_hub
