"""Build the network below the head, and find its pretrained weights."""

import os
import threading
import urllib.error
import urllib.request
import warnings
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pipeline.durable import write_file
from pipeline.errors import DamagedDataError, MissingInputError, SettingsError
from training.backend import load_backend
from training.settings import BackboneName

OFFICIAL_SIZES = (96, 128, 160, 192, 224)
SMALLEST = {"mobilenet_v2": 32, "small": 16}
REACH_SECONDS = 5.0
DOWNLOAD_SECONDS = 60.0
_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
_CURE = "--weights PATH (a Keras .h5 without top), or --weights none"
_SMALL_STEM = 32
_SMALL_BLOCKS = ((64, 1), (96, 2), (128, 2))
_SMALL_SIDE = 40


def find_weights(backbone: BackboneName, weights: str, size: int) -> Path | None:
    """Return the file of pretrained weights, downloaded when needed; None means from scratch.

    Raises SettingsError for a path that is no file or a backbone that has no pretrained weights,
    MissingInputError when the download cannot be had (known after 5 s).
    """
    if weights == "none" or (backbone == "small" and weights == "imagenet"):
        return None
    if backbone == "small":
        raise SettingsError(
            f"--weights {weights}: the backbone small has no pretrained weights",
            cure="--backbone mobilenet_v2, or leave --weights out",
        )
    if weights == "imagenet":
        return _imagenet_file(size)
    if not Path(weights).is_file():
        raise SettingsError(f"--weights {weights} is no file", cure=_CURE)
    return Path(weights)


def imagenet_available(size: int, *, home: Path | None = None) -> str | None:
    """Return None when the ImageNet weights for a picture size can be had, else why not.

    Cheap: looks for the file below `home` (Keras' own folder), then asks the download address,
    for 5 s at most.
    """
    if _cached(_official_name(size), home or _keras_home()).is_file():
        return None
    answer: list[str | None] = [f"no answer from the download address within {REACH_SECONDS:.0f} s"]

    def ask() -> None:
        answer[0] = _refusal(_ADDRESS + _official_name(size))

    # Name resolution knows no timeout, so the question runs beside us.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(REACH_SECONDS)
    return answer[0]


def build_base(backbone: BackboneName, size: int, weights: Path | None) -> Any:  # noqa: ANN401  Keras has no types
    """Build the network from float32[N, size, size, 3] in -1..1 to a feature map.

    Raises SettingsError when the pictures are too small for it, DamagedDataError when the weights
    do not fit.
    """
    if size < SMALLEST[backbone]:
        raise SettingsError(
            f"the pictures are {size} px, {backbone} needs {SMALLEST[backbone]}",
            cure=f"sceneset curate --size {SMALLEST[backbone]} or more",
        )
    if backbone == "small":
        return _small(size)
    base = load_backend().keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(size, size, 3)
    )
    if weights is not None:
        _load(base, weights)
    return base


def _load(base: Any, weights: Path) -> None:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            # Keras only warns when it leaves layers as they were.
            warnings.simplefilter("error", UserWarning)
            base.load_weights(weights)
    except (OSError, ValueError, KeyError, TypeError, UserWarning) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DamagedDataError(
            f"the weights {weights} do not fit mobilenet_v2: {first[:200]}",
            cure=f"remove the file if it is a broken download; else {_CURE}",
        ) from error


def _small(size: int) -> Any:  # noqa: ANN401
    """Build a plain convolutional network that trains in seconds on a thousand pictures.

    It sees them at about 40 px: of eight layouts on 36 drawn classes at 160 px this was the most
    accurate and the second fastest. Full convolutions: depthwise ones took longer on a CPU and
    were less accurate.
    """
    layers = load_backend().keras.layers
    image = load_backend().keras.Input((size, size, 3))
    x = layers.AveragePooling2D(max(1, size // _SMALL_SIDE))(image)
    x = layers.Conv2D(_SMALL_STEM, 3, strides=2, padding="same", use_bias=False)(x)
    for width, stride in _SMALL_BLOCKS:
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return load_backend().keras.Model(image, x, name="small")


def _official_name(size: int) -> str:
    trained_at = size if size in OFFICIAL_SIZES else 224
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{trained_at}_no_top.h5"


def _keras_home() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _cached(name: str, home: Path) -> Path:
    return home / "models" / name


def _imagenet_file(size: int) -> Path:
    path = _cached(_official_name(size), _keras_home())
    if path.is_file():
        return path
    why = imagenet_available(size) or _download(_ADDRESS + path.name, path)
    if why is not None:
        raise MissingInputError(
            f"ImageNet weights for mobilenet_v2 could not be downloaded: {why}", cure=_CURE
        )
    return path


def _refusal(address: str) -> str | None:
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310  our own https address
    try:
        with urllib.request.urlopen(request, timeout=REACH_SECONDS):  # noqa: S310
            return None
    except (OSError, ValueError) as error:
        return _why(error)


def _download(address: str, path: Path) -> str | None:
    try:
        with urllib.request.urlopen(address, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310
            data = answer.read()
    except (OSError, ValueError, HTTPException) as error:
        return _why(error)
    write_file(path, data)
    return None


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__
