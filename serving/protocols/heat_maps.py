"""Make the heat maps that requests ask for, in the jobs that classify, by the model that answers."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.errors import SceneSetError
from sceneset.images import PictureError
from serving.http.errors import RefusalError
from serving.inference.explainer import LONGEST_OVERLAY, Explainer, LazyExplainer, encode_png
from serving.inference.model import ServedModel, find_label
from serving.inference.service import Draw, Probabilities
from serving.input.payload import refusal_of

LOG = logging.getLogger("serving")
_Drawing = Callable[[Explainer, bytes, NDArray[np.uint8], int], Image.Image]


def label_asked(name: str, model: ServedModel) -> int:
    """Return the label of a class that a client names. Raises RefusalError (400)."""
    label = find_label(name, model.class_names)
    if label is None:
        detail = "'label' is none of the model's classes; GET /v1/model lists them"
        raise RefusalError(400, "bad_format", detail)
    return label


def overlays(model: ServedModel, loading: ThreadPoolExecutor, label: int | None) -> Draw:
    """Return what draws each picture as a PNG with the map over it.

    Explained is the class of `label`, or else the most probable one. `loading` is the thread that
    loads models. Raises RefusalError (409) when the model cannot explain.
    """

    def draw(one: Explainer, data: bytes, pixels: NDArray[np.uint8], seen: int) -> Image.Image:
        return one.overlay(data, pixels, seen, LONGEST_OVERLAY)

    return _png(_explainer_of(model), loading, label, draw)


def maps(model: ServedModel, loading: ThreadPoolExecutor, label: int | None) -> Draw:
    """Return what draws the map of each picture alone, as a grey PNG; see `overlays`."""

    def draw(one: Explainer, data: bytes, pixels: NDArray[np.uint8], seen: int) -> Image.Image:
        return one.map(data, pixels, seen)

    return _png(_explainer_of(model), loading, label, draw)


def _explainer_of(model: ServedModel) -> LazyExplainer:
    if model.explainer is None:
        # The request is sound and another bundle would answer it: that is no error of the server.
        detail = "The model in service was exported without what draws heat maps"
        raise RefusalError(409, "no_heat_maps", detail)
    return model.explainer


def _png(
    lazy: LazyExplainer, loading: ThreadPoolExecutor, label: int | None, draw: _Drawing
) -> Draw:
    def drawn(data: bytes, pixels: NDArray[np.uint8], found: Probabilities) -> bytes:
        seen = int(found.argmax()) if label is None else label
        try:
            return encode_png(draw(lazy.get(loading), data, pixels, seen))
        except PictureError as error:
            raise refusal_of(error) from error
        except (SceneSetError, OSError, ImportError) as error:
            LOG.error("no heat map: %s", error)  # noqa: TRY400  its own words say all
            detail = "The files that draw heat maps can no longer be read"
            raise RefusalError(503, "not_ready", detail) from error

    return drawn
