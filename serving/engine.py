"""Run a bundle's model on LiteRT: bytes in, probabilities out, no TensorFlow."""

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle import Bundle
from pipeline.pictures import Fit, load_square
from serving.interpreters import Interpreters

MODEL_NAME = "model.tflite"


class Engine:
    """A bundle's model, which several threads may ask at once."""

    def __init__(self, bundle: Bundle, workers: int = 2) -> None:
        """Load the model `workers` times. Raises DamagedDataError when it does not fit."""
        self.class_names = bundle.class_names
        self._size = bundle.size
        self._fit = fit_of(bundle.fit)
        self._model = Interpreters(bundle.path(MODEL_NAME), workers)
        takes, gives = self._model.takes, self._model.gives[0]
        size, classes = bundle.size, len(bundle.class_names)
        if takes != [1, size, size, 3] or gives != [1, classes]:
            why = f"it maps {takes} to {gives}, not {size} px to {classes} classes"
            raise self._model.misfit(why)

    def classify(self, data: bytes) -> NDArray[np.float32]:
        """Return the probability of each class, float32[classes], for a picture's bytes.

        Safe to call from several threads. Raises PictureError.
        """
        return self._model.run(load_square(data, self._size, self._fit))[0]


def top_classes(
    probabilities: NDArray[np.float32], names: tuple[str, ...], top: int
) -> list[tuple[str, float]]:
    """Return the `top` most probable classes, the most probable first; equal ones by label."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(names[label], float(probabilities[label])) for label in order]


def fit_of(word: str) -> Fit:
    """Return a bundle's word for how pictures are made square, as a type."""
    return "pad" if word == "pad" else "stretch" if word == "stretch" else "crop"
