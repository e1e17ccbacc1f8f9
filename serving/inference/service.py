"""Keep one model in service, replace it by a newer one, and answer pictures with it.

The service is what every client contract calls; no request fails when the model is replaced.
"""

import asyncio
import io
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request

from sceneset.errors import (
    DamagedDataError,
    MissingInputError,
    SceneSetError,
    SettingsError,
    translate_error,
)
from sceneset.images import PictureError
from serving.http.body import MemoryBudget, read_body
from serving.http.errors import HTTPError
from serving.http.middleware import STOPPING, Metrics
from serving.http.payload import Accepted, check_picture, decode_base64, to_http_error
from serving.inference.engine import Engine, top_classes
from serving.inference.explainer import Explainer
from serving.inference.memory import trim_heap
from serving.inference.model import Fingerprint, ServedModel, find_served, fingerprint, load_served
from serving.inference.queue import WorkQueue, available_cores
from serving.settings import ServeSettings

LOG = logging.getLogger("serving")
Probabilities = NDArray[np.float32]
# Makes a PNG of a picture's bytes, what the model saw of it, and what it answered.
Draw = Callable[[bytes, NDArray[np.uint8], Probabilities], bytes]
# Draws with an explainer: a picture's bytes, what the model saw of it, the label to explain.
Drawing = Callable[[Explainer, bytes, NDArray[np.uint8], int], Image.Image]

# What /readyz says of a problem, whose words may hold paths of this machine.
_PROBLEM_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (DamagedDataError, "damaged"),
    (MissingInputError, "missing"),
    (SettingsError, "settings"),
    (OSError, "unreadable"),
)


class Reloader:
    """Hold the model in service and replace it; requests take `current` once and keep it to their end."""

    def __init__(self, settings: ServeSettings, workers: int) -> None:
        """Load the model. Raises what `find_served` and `load_served` raise."""
        self._settings = settings
        self._workers = workers
        # One thread for all: each thread that ever loaded a model keeps memory of its own.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="reload")
        path = find_served(settings.model)
        self._seen: Fingerprint = fingerprint(path)
        self._served = self._seen
        self.current: ServedModel = load_served(settings, path, workers, self.thread.submit)
        trim_heap()
        self.problem = ""
        self.problem_kind: str | None = None

    def reload(self) -> bool:
        """Load the newest model and put it in service; say whether that could be done.

        A model that cannot be loaded leaves the old one in service; `problem` says why and
        `problem_kind` names it in one word.
        """
        try:
            path = find_served(self._settings.model)
            seen = fingerprint(path)
            fresh = load_served(self._settings, path, self._workers, self.thread.submit)
        except Exception as error:  # noqa: BLE001  whatever it is, the old model goes on
            self._note_problem(error)
            return False
        self._seen = self._served = seen
        self.current.engine.retire()
        self.current, self.problem, self.problem_kind = fresh, "", None
        trim_heap()
        LOG.warning("now serving %s version %s", fresh.name, fresh.version)
        return True

    def is_stale(self) -> bool:
        """Say whether the newest model is another than the one that was last looked at.

        When it is again the one in service, what was wrong in between is forgotten.
        """
        try:
            seen = fingerprint(find_served(self._settings.model))
        except Exception as error:  # noqa: BLE001  a folder that is being replaced; logged once
            self._note_problem(error, quietly=True)
            self._seen = ()
            return False
        changed, self._seen = seen != self._seen, seen
        if changed and seen == self._served:
            self.problem, self.problem_kind = "", None
            return False
        return changed

    def _note_problem(self, error: Exception, *, quietly: bool = False) -> None:
        known, before = translate_error(error), self.problem
        self.problem = known.problem if known else f"{type(error).__name__}: {error}"
        kinds = (kind for of, kind in _PROBLEM_KINDS if isinstance(error, of))
        self.problem_kind = next(kinds, "internal")
        if not (quietly and self.problem == before):
            LOG.error("version %s stays in service: %s", self.current.version, self.problem)


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model, the same for the whole request, says of each picture.

    `drawn` holds the picture made of each, when one was requested.
    """

    model: ServedModel
    outcomes: list[Probabilities | HTTPError]
    drawn: list[bytes]

    def whole(self) -> list[Probabilities]:
        """Return the probabilities of every picture. Raises the first HTTPError, with its index."""
        for index, outcome in enumerate(self.outcomes):
            if isinstance(outcome, HTTPError):
                raise outcome.at(index)
        return [outcome for outcome in self.outcomes if not isinstance(outcome, HTTPError)]

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """Return the most probable classes of every picture; see `top_classes`. Raises HTTPError."""
        return [top_classes(one, self.model.class_names, count) for one in self.whole()]


class Service:
    """The model in service, the threads that run it, and the limits."""

    def __init__(self, settings: ServeSettings) -> None:
        """Load the model and start with empty counters. Raises what `Reloader` raises."""
        workers = settings.workers or available_cores()
        self.settings = settings
        self.reloader = Reloader(settings, workers)
        self.queue = WorkQueue(workers, settings.queue)
        self.metrics = Metrics()
        self.memory = MemoryBudget(settings.max_bodies)

    @property
    def model(self) -> ServedModel:
        """Return the model in service; take it once per request."""
        return self.reloader.current

    async def reload(self) -> None:
        """Put the newest model in service, where it can be loaded."""
        loop = asyncio.get_running_loop()
        done = await loop.run_in_executor(self.reloader.thread, self.reloader.reload)
        self.metrics.reloads.labels("done" if done else "refused").inc()

    async def watch(self) -> None:
        """Look for a newer model every so many seconds, for ever."""
        loop, reloader = asyncio.get_running_loop(), self.reloader
        while True:
            await asyncio.sleep(self.settings.watch)
            if await loop.run_in_executor(reloader.thread, reloader.is_stale):
                await self.reload()

    def is_stopping(self, request: Request) -> bool:
        """Say whether the server was told to stop, and only answers what still comes."""
        stopping = request.scope.get("state", {}).get(STOPPING)
        return stopping is not None and bool(stopping.is_set())

    async def body(self, request: Request) -> bytes:
        """Return a request's body within the limits; `state.reservation` holds its memory.

        Raises HTTPError (413, 408, 400, 503).
        """
        self.queue.check_room(1)
        limit, seconds = self.settings.max_body, self.settings.receive
        return await read_body(request, limit, seconds, request.state.reservation)

    def check_count(self, pictures: int) -> None:
        """Refuse more pictures than a request may hold; call it before anything is built of each.

        Raises HTTPError (413).
        """
        if pictures > self.settings.max_images:
            raise HTTPError(
                413, "too_many", f"More than {self.settings.max_images} pictures in one request"
            )

    def heat_maps(self, model: ServedModel, drawing: Drawing, label: int | None) -> Draw:
        """Return what makes a PNG that explains each picture, in the job that classifies it.

        Explained is the class of `label`, or else the most probable one. Raises HTTPError (409)
        when the model cannot explain.
        """
        explainer, thread = model.explainer, self.reloader.thread
        if explainer is None:
            # The request is sound and another bundle would answer it: that is no error of the server.
            raise HTTPError(
                409,
                "no_heat_maps",
                "The model in service was exported without what draws heat maps",
            )

        def draw(data: bytes, pixels: NDArray[np.uint8], probabilities: Probabilities) -> bytes:
            explained = int(probabilities.argmax()) if label is None else label
            png = io.BytesIO()
            try:
                explainer.load_in(thread)
                # Quickly rather than small.
                drawing(explainer, data, pixels, explained).save(png, "PNG", compress_level=1)
            except PictureError as error:
                raise to_http_error(error) from error
            except (SceneSetError, OSError, ImportError) as error:
                LOG.error("no heat map: %s", error)  # noqa: TRY400  its own words say all
                raise HTTPError(
                    503, "not_ready", "The files that draw heat maps can no longer be read"
                ) from error
            return png.getvalue()

        return draw

    async def classify(
        self,
        pictures: Sequence[object],
        accepted: Accepted,
        route: str,
        *,
        model: ServedModel | None = None,
        draw: Draw | None = None,
    ) -> Answers:
        """Decode and classify pictures, with `model` or else the one in service.

        Bytes are a picture's file; any other value is to be base64 text or a data URI of it. `draw` makes a picture of each in the same job.
        Raises HTTPError (413, 503, 504) for the whole request. What is wrong with one picture
        is that picture's outcome.
        """
        self.check_count(len(pictures))
        accepted = replace(accepted, max_pixels=self.settings.max_pixels)
        sources = [partial(_decoded, picture, accepted) for picture in pictures]
        return await self._run(sources, route, model or self.model, draw)

    async def infer(self, arrays: NDArray[np.float32], route: str, model: ServedModel) -> Answers:
        """Classify pixels in 0..255, float32[N, size, size, 3], whose number the parser of tensors limits.

        Raises as `classify` does.
        """
        return await self._run([partial(_as_given, array) for array in arrays], route, model)

    async def _run(
        self,
        sources: Sequence["_Source"],
        route: str,
        model: ServedModel,
        draw: Draw | None = None,
    ) -> Answers:
        began = perf_counter()
        jobs = [partial(self._answer, model.engine, source, began, draw) for source in sources]
        results = await self.queue.run(jobs, self.settings.deadline)
        outcomes = [one if isinstance(one, HTTPError) else one[0] for one in results]
        self._count(model, outcomes, route)
        drawn = [b"" if isinstance(one, HTTPError) else one[1] for one in results]
        return Answers(model, outcomes, drawn)

    def _answer(
        self, engine: Engine, source: "_Source", requested: float, draw: Draw | None
    ) -> tuple[Probabilities, bytes]:
        """Do one picture's job: what the model says of it, and what `draw` makes of it."""
        began = perf_counter()
        data, pixels = source(engine)
        decoded = perf_counter()
        answer = engine.infer(pixels, alone=self.queue.pending == 1)
        inferred = perf_counter()
        self.metrics.wait_seconds.observe(began - requested)
        self.metrics.decode_seconds.observe(decoded - began)
        self.metrics.infer_seconds.observe(inferred - decoded)
        if draw is None:
            return answer, b""
        drawn = draw(data, pixels, answer)
        self.metrics.explain_seconds.observe(perf_counter() - inferred)
        return answer, drawn

    def _count(
        self, model: ServedModel, outcomes: Sequence[Probabilities | HTTPError], route: str
    ) -> None:
        for outcome in outcomes:
            if isinstance(outcome, HTTPError):
                self.metrics.errors.labels(route, outcome.reason).inc()
                continue
            self.metrics.pictures.inc()
            tagged = model.tag_rule.labels(outcome.tolist())
            first = tagged[0] if tagged else int(outcome.argmax())
            self.metrics.classes.labels(model.class_names[first]).inc()
            if not tagged:
                self.metrics.unknown.inc()


# A picture's bytes (none for pixels that came as such), and what the model sees of it.
_Source = Callable[[Engine], tuple[bytes, NDArray[Any]]]


def _decoded(
    picture: object, accepted: Accepted, engine: Engine
) -> tuple[bytes, NDArray[np.uint8]]:
    types = accepted.media_types
    data = picture if isinstance(picture, bytes) else decode_base64(picture, types)
    check_picture(data, accepted)
    try:
        return data, engine.prepare(data)
    except PictureError as error:
        raise to_http_error(error) from error


def _as_given(array: NDArray[np.float32], _engine: Engine) -> tuple[bytes, NDArray[np.float32]]:
    return b"", array
