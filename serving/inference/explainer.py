"""Show where in a picture a class was seen: Grad-CAM without TensorFlow.

`explain.tflite` gives the last feature map and the pooled values, `head.npz` the dense layers that
read them; the rest is numpy (sceneset/bundle/gradcam.py).
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import Dense, blend, heat_map, over_picture, read_head
from sceneset.bundle.reader import Bundle
from sceneset.checksums import file_sha256
from sceneset.errors import DamagedDataError, MissingInputError
from sceneset.images import decode
from serving.inference.engine import make_loader, model_error
from serving.inference.interpreter_pool import Interpreter, InterpreterPool

# Sides in px. A map's own cells are few, so its picture need not be large.
LONGEST_OVERLAY, LONGEST_MAP = 1600, 256
# Rows blended at a time, so that no second whole picture of floats is held.
_STRIP = 64


MODEL_NAME, HEAD_NAME = "explain.tflite", "head.npz"


@dataclass(frozen=True)
class Explanation:
    """The class explained, its probability, and where it was seen: float32[h, w] in 0..1.

    The map covers the square that the model saw; its sides are those of the last feature map.
    """

    label: int
    probability: float
    heat: NDArray[np.float32]


@dataclass
class Explainer:
    """A bundle's explaining model and head, which several threads may ask at once.

    `load` reads them, so that who wants no heat maps holds one model.
    """

    bundle: Bundle
    workers: int = 2
    _loaded: tuple[InterpreterPool, list[Dense]] | None = None
    _lock: Lock = field(default_factory=Lock)

    def load(self) -> tuple[InterpreterPool, list[Dense]]:
        """Return model and head, loaded unless that was done.

        Raises MissingInputError when the bundle lacks them, DamagedDataError when they do not fit
        each other or were altered since the bundle was checked, OSError.
        """
        with self._lock:
            if self._loaded is None:
                self._check_files()
                head = read_head_file(self.bundle.path(HEAD_NAME))
                path = self.bundle.path(MODEL_NAME)
                load = make_loader(path, lambda one: self._check_shapes(one, head))
                self._loaded = InterpreterPool(load, self.workers), head
            return self._loaded

    def load_in(self, executor: Executor) -> None:
        """Load in a thread of `executor` unless that was done. Raises as `load` does."""
        if self._loaded is None:
            executor.submit(self.load).result()

    def explain(self, pixels: NDArray[np.uint8], label: int | None = None) -> Explanation:
        """Explain the requested class, or the most probable, of what the model saw.

        `pixels` are what `Engine.prepare` returns: uint8[size, size, 3]. Raises as `load` does.
        """
        pool, head = self.load()
        features, pooled = pool.run(pixels)
        reading = read_head(pooled, head, label)
        return Explanation(reading.label, reading.probability, heat_map(features, reading.weights))

    def overlay(
        self, data: bytes, pixels: NDArray[np.uint8], label: int, longest: int | None = None
    ) -> Image.Image:
        """Return the picture of a file, upright, with the map over it.

        It has the picture's own size, or `longest` px along its longer side when that is less.
        Raises PictureError.
        """
        picture = _picture(data, longest)
        heat = self.explain(pixels, label).heat
        whole = over_picture(heat, picture.width, picture.height, self.bundle.fit)
        drawn = np.array(picture, np.uint8)
        for top in range(0, len(drawn), _STRIP):
            rows = slice(top, top + _STRIP)
            drawn[rows] = blend(drawn[rows], whole[rows])
        return Image.fromarray(drawn)

    def map(self, data: bytes, pixels: NDArray[np.uint8], label: int) -> Image.Image:
        """Return the map as a grey picture in the proportions of the upright one, 256 px at most.

        White is where the class was seen most, black is where it was not. Raises PictureError.
        """
        width, height = _picture(data, LONGEST_MAP).size
        whole = over_picture(self.explain(pixels, label).heat, width, height, self.bundle.fit)
        return Image.fromarray(np.rint(whole * 255).astype(np.uint8))

    def _check_files(self) -> None:
        for name in (MODEL_NAME, HEAD_NAME):
            path, digests = self.bundle.path(name), self.bundle.record.get("files", {})
            if name in digests and file_sha256(path) != digests[name]:
                raise DamagedDataError(
                    f"{path} was altered since the bundle was loaded", cure="restore the bundle"
                )
            if not path.is_file():
                raise MissingInputError(
                    f"the bundle at {self.bundle.folder} has no {name}, so nothing can be explained",
                    cure="train again; sceneset train writes it",
                )

    def _check_shapes(self, interpreter: Interpreter, head: Sequence[Dense]) -> None:
        """Raise DamagedDataError unless model, head and class names fit each other."""
        takes, gives = interpreter.shapes()
        size, classes = self.bundle.size, len(self.bundle.class_names)
        widths = [layer.kernel.shape for layer in head]
        chain = [gives[-1][-1], *(shape[1] for shape in widths)]
        fits = [shape[0] for shape in widths] == chain[:-1] and chain[-1] == classes
        if not fits or takes != [1, size, size, 3] or len(gives) != 2:  # noqa: PLR2004  feature map and pooled values
            why = f"its outputs do not fit {HEAD_NAME} and {classes} classes"
            raise model_error(self.bundle.path(MODEL_NAME), why)


def _picture(data: bytes, longest: int | None) -> Image.Image:
    picture = decode(data, at_least=longest)
    if longest is None or max(picture.size) <= longest:
        return picture
    scale = longest / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)


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
