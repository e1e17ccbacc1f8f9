"""Show where in a picture a trained model saw a class: Grad-CAM on any exported model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.gradcam import Dense, heat_map, read_head
from pipeline.overlay import blend, over_picture
from pipeline.pictures import Fit, decode, load_square, to_array
from training.backend import load_backend
from training.embed import forward_all
from training.exports.explain import anatomy

BATCH = 32


@dataclass(frozen=True)
class Explanation:
    """A class, its probability and where it was seen: heat float32[h, w] in 0..1."""

    label: int
    probability: float
    heat: NDArray[np.float32]


class Explainer:
    """An exported model with its last feature map and its head laid open."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  Keras has no types
        """Take a model in the layout of the exports. Raises TypeError for another layout."""
        parts = anatomy(model)
        inside = load_backend().keras.Model(model.input, [parts.feature_map, parts.pooled])
        self._run = forward_all(inside)
        last = len(parts.head) - 1
        self._head = [
            Dense(kernel.astype(np.float64), bias.astype(np.float64), relu=place < last)
            for place, (kernel, bias) in enumerate(parts.head)
        ]

    def explain(
        self, pictures: NDArray[np.uint8], labels: Sequence[int | None] | None = None
    ) -> list[Explanation]:
        """Explain uint8[N, size, size, 3]: the class asked for, or the top one where it is None.

        The maps have the size of the model's last feature map, 5 x 5 for 160 px.
        """
        wanted = [None] * len(pictures) if labels is None else labels
        found = []
        for start in range(0, len(pictures), BATCH):
            part = slice(start, start + BATCH)
            maps, pooled = self._run(pictures[part])
            for one, values, label in zip(maps, pooled, wanted[part], strict=True):
                reading = read_head(values, self._head, label)
                heat = heat_map(one, reading.weights)
                found.append(Explanation(reading.label, reading.probability, heat))
        return found

    def explain_file(
        self, data: bytes, size: int, fit: Fit, label: int | None = None
    ) -> tuple[Explanation, NDArray[np.uint8]]:
        """Explain a picture file at its own size; return heat and overlay uint8[height, width, 3].

        Raises PictureError when the bytes are no picture.
        """
        whole = to_array(decode(data))
        (found,) = self.explain(load_square(data, size, fit)[None], [label])
        height, width = whole.shape[:2]
        heat = over_picture(found.heat, width, height, fit)
        return Explanation(found.label, found.probability, heat), blend(whole, heat)


def square_overlay(picture: NDArray[np.uint8], explanation: Explanation) -> NDArray[np.uint8]:
    """Return uint8[size, size, 3]: a fitted picture with its map laid over it."""
    height, width = picture.shape[:2]
    return blend(picture, over_picture(explanation.heat, width, height, "stretch"))
