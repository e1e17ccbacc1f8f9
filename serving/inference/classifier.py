"""Classify pictures in a Python program: what `sceneset.Classifier` is."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import blend, over_picture
from sceneset.errors import MissingInputError, UsageError, extras_named
from sceneset.images import PictureError, decode, fit, to_array, to_rgb
from sceneset.workers import map_items
from serving.inference.engine import top_classes
from serving.inference.explainer import Explainer
from serving.inference.model import find_served, known_label, load_engine
from serving.inference.queue import available_cores
from serving.settings import ModelSettings

Picture = str | Path | bytes | Image.Image | NDArray[np.uint8]
Label = tuple[str, float]


class Classifier:
    """A model that names what pictures show; several threads may use it at once.

    A picture is a file's path or bytes, a PIL image, or uint8[height, width, 3]. One that cannot be
    read raises UsageError.

    >>> colours = Classifier("models/scenes")
    >>> colours.class_names
    ('red', 'green', 'blue')
    >>> colours.tags("photo.jpg")
    ['Red']
    >>> colours.explain("photo.jpg").size
    (60, 40)
    """

    @extras_named()
    def __init__(
        self, model: str | Path = "models/scenes", *, class_names: str | Path | None = None
    ) -> None:
        """Load a model's folder, one of its bundles, or a .tflite file with its class names.

        Raises MissingInputError, SettingsError, MissingExtraError or DamagedDataError, as `serve` does.
        """
        names = None if class_names is None else Path(class_names)
        settings = ModelSettings(model=Path(model), class_names=names)
        self._engine = load_engine(settings, find_served(settings.model), available_cores())
        self._bundle = self._engine.bundle
        self._explainer = Explainer(self._bundle, available_cores())

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the class names in the order of the outputs."""
        return self._bundle.class_names

    def classify(self, picture: Picture, top: int = 3) -> list[Label]:
        """Return the `top` most probable classes with their probabilities, the first the best."""
        return top_classes(self._engine.infer(self._pixels(picture)), self.class_names, top)

    def classify_many(self, pictures: Iterable[Picture], top: int = 3) -> list[list[Label]]:
        """Return what `classify` does for each picture, on all cores."""
        classify = partial(self.classify, top=top)
        results = map_items(classify, pictures, f"threads:{available_cores()}")
        return [result.get() for result in results]

    def tags(self, picture: Picture) -> list[str]:
        """Return one or two capitalised names by the bundle's tag rule, or `Unknown`."""
        probabilities = self._engine.infer(self._pixels(picture))
        return self._bundle.tag_rule.tags(probabilities.tolist(), self.class_names)

    def explain(self, picture: Picture, class_name: str | None = None) -> Image.Image:
        """Return the picture under a heat map of where a class was seen (Grad-CAM).

        It is the most probable class by default. Raises UsageError for one that the model does not
        know, MissingInputError for a model without the files for that.
        """
        label = None if class_name is None else known_label(class_name, self.class_names)
        heat = self._explainer.explain(self._pixels(picture), label).heat
        image = _image(picture)
        whole = over_picture(heat, image.width, image.height, self._bundle.fit)
        return Image.fromarray(blend(to_array(image), whole))

    def _pixels(self, picture: Picture) -> NDArray[np.uint8]:
        """Return what the model sees: uint8[size, size, 3]."""
        if isinstance(picture, str | Path):
            picture = _read(Path(picture))
        if isinstance(picture, bytes):
            try:
                return self._engine.prepare(picture)
            except PictureError as error:
                raise _unreadable(error) from error
        return to_array(fit(_image(picture), self._bundle.size, self._bundle.fit))


def _image(picture: Picture) -> Image.Image:
    """Return a picture as an upright RGB image."""
    try:
        if isinstance(picture, str | Path):
            return decode(_read(Path(picture)))
        if isinstance(picture, bytes):
            return decode(picture)
        if isinstance(picture, Image.Image):
            return to_rgb(picture)
        if picture.dtype == np.uint8:
            return to_rgb(Image.fromarray(picture))
    except (PictureError, TypeError, ValueError, OSError) as error:
        raise _unreadable(error) from error
    raise UsageError(f"an array of {picture.dtype} is no picture", cure="give uint8 in 0..255")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: {error.strerror}", cure="name a picture file"
        ) from error


def _unreadable(error: Exception) -> UsageError:
    cure = error.cure if isinstance(error, PictureError) else ""
    return UsageError(
        f"the picture cannot be read: {error}",
        cure=cure or "give a whole JPEG, PNG or WebP picture",
    )
