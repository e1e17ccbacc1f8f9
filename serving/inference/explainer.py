"""Show where in a picture a class was seen: Grad-CAM without TensorFlow.

`explain.tflite` gives the last feature map and the pooled values, `head.npz` the dense layers that
read them; the rest is numpy (sceneset/bundle/gradcam.py).
"""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import Dense, blend, heat_map, over_picture, read_head
from sceneset.bundle.reader import Bundle
from sceneset.checksums import file_sha256
from sceneset.errors import DamagedDataError, MissingInputError
from sceneset.images import Fit, decode
from serving.inference.interpreter_pool import Interpreters

# Sides in px. A map's own cells are few, so its picture need not be large.
LONGEST_OVERLAY, LONGEST_MAP = 1600, 256
# Rows blended at a time, so that no second whole picture of floats is held.
_STRIP = 64


def draw_overlay(
    data: bytes, heat: NDArray[np.float32], how: Fit, longest: int | None = None
) -> Image.Image:
    """Return the picture, upright, with a map float32[h, w] of its fitted square over it.

    It has the picture's own size, or `longest` px along its longer side when that is less. Raises
    PictureError.
    """
    picture = _picture(data, longest)
    whole = over_picture(heat, picture.width, picture.height, how)
    drawn = np.array(picture, np.uint8)
    for top in range(0, len(drawn), _STRIP):
        rows = slice(top, top + _STRIP)
        drawn[rows] = blend(drawn[rows], whole[rows])
    return Image.fromarray(drawn)


def draw_map(data: bytes, heat: NDArray[np.float32], how: Fit) -> Image.Image:
    """Return the map as a grey picture in the proportions of the upright picture, 256 px at most.

    White is where the class was seen most, black is where it was not. Raises PictureError.
    """
    width, height = _picture(data, LONGEST_MAP).size
    whole = over_picture(heat, width, height, how)
    return Image.fromarray(np.rint(whole * 255).astype(np.uint8))


def encode_png(image: Image.Image) -> bytes:
    """Encode a picture as PNG, quickly rather than small."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _picture(data: bytes, longest: int | None) -> Image.Image:
    picture = decode(data, at_least=longest)
    if longest is None or max(picture.size) <= longest:
        return picture
    share = longest / max(picture.size)
    width, height = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)


MODEL_NAME, HEAD_NAME = "explain.tflite", "head.npz"


@dataclass(frozen=True)
class Explanation:
    """The class explained, its probability, and where it was seen: float32[h, w] in 0..1.

    The map covers the square that the model saw; its sides are those of the last feature map.
    """

    label: int
    probability: float
    heat: NDArray[np.float32]


class Explainer:
    """A bundle's explaining model and head, which several threads may ask at once."""

    def __init__(self, bundle: Bundle, workers: int = 2) -> None:
        """Load both. Raises MissingInputError when a bundle lacks them, DamagedDataError."""
        for name in (MODEL_NAME, HEAD_NAME):
            if not bundle.path(name).is_file():
                raise MissingInputError(
                    f"the bundle at {bundle.folder} has no {name}, so nothing can be explained",
                    cure="train again; sceneset train writes it",
                )
        self._size, self._fit = bundle.size, bundle.fit
        self._model = Interpreters(bundle.path(MODEL_NAME), workers)
        self._head = read_head_file(bundle.path(HEAD_NAME))
        self._check(len(bundle.class_names))

    def explain(self, pixels: NDArray[np.uint8], label: int | None = None) -> Explanation:
        """Explain the class asked for, or the most probable, of what the model saw.

        `pixels` are what `Engine.prepare` returns: uint8[size, size, 3].
        """
        features, pooled = self._model.run(pixels)
        reading = read_head(pooled, self._head, label)
        return Explanation(reading.label, reading.probability, heat_map(features, reading.weights))

    def overlay(
        self, data: bytes, pixels: NDArray[np.uint8], label: int, longest: int | None = None
    ) -> Image.Image:
        """Return a picture's bytes drawn with the map over it; see `draw_overlay`."""
        return draw_overlay(data, self.explain(pixels, label).heat, self._fit, longest)

    def map(self, data: bytes, pixels: NDArray[np.uint8], label: int) -> Image.Image:
        """Return the map alone, in the proportions of the picture; see `draw_map`."""
        return draw_map(data, self.explain(pixels, label).heat, self._fit)

    def _check(self, classes: int) -> None:
        """Raise DamagedDataError unless model, head and class names fit each other."""
        widths = [layer.kernel.shape for layer in self._head]
        chain = [self._model.gives[-1][-1], *(shape[1] for shape in widths)]
        fits = [shape[0] for shape in widths] == chain[:-1] and chain[-1] == classes
        shapes = self._model.takes == [1, self._size, self._size, 3] and len(self._model.gives) == 2  # noqa: PLR2004  feature map and pooled values
        if not (fits and shapes):
            raise self._model.misfit(f"its outputs do not fit {HEAD_NAME} and {classes} classes")


class LazyExplainer:
    """The explainer of a bundle in service, loaded when it is asked for the first time.

    A server of which nobody wants heat maps then holds one model, not two.
    """

    def __init__(self, bundle: Bundle, workers: int) -> None:
        """Note where it is; read nothing yet."""
        self._bundle = bundle
        self._workers = workers
        self._loaded: Explainer | None = None

    def get(self, loading: ThreadPoolExecutor) -> Explainer:
        """Return the explainer, loaded by the one thread of `loading` if need be.

        Raises DamagedDataError, MissingInputError or OSError when its files are no longer those
        that were found when the bundle was checked.
        """
        return self._loaded or loading.submit(self._load).result()

    def _load(self) -> Explainer:
        if self._loaded is None:
            for name in (MODEL_NAME, HEAD_NAME):
                path = self._bundle.path(name)
                if file_sha256(path) != self._bundle.record["files"][name]:
                    raise DamagedDataError(
                        f"{path} was altered since the bundle was loaded", cure="restore the bundle"
                    )
            self._loaded = Explainer(self._bundle, self._workers)
        return self._loaded


def lazy_explainer(bundle: Bundle, workers: int) -> LazyExplainer | None:
    """Return what explains a bundle; None when it was exported without the files for that."""
    files = bundle.record.get("files", {})
    if MODEL_NAME in files and HEAD_NAME in files:
        return LazyExplainer(bundle, workers)
    return None


def read_head_file(path: Path) -> list[Dense]:
    """Read head.npz: kernel_0, bias_0 and so on; all but the last layer end in a relu.

    Raises DamagedDataError.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            count = len(arrays.files) // 2
            return [
                Dense(
                    arrays[f"kernel_{place}"].astype(np.float64),
                    arrays[f"bias_{place}"].astype(np.float64),
                    relu=place < count - 1,
                )
                for place in range(count)
            ]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DamagedDataError(
            f"{path} cannot be read: {error}", cure="train again or restore the bundle"
        ) from error
