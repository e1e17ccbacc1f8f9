"""Answer pictures with the model in service: what every client contract calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from sceneset.images import PictureError
from serving.http.body import Room, read_body
from serving.http.errors import RefusalError
from serving.http.middleware import ENDING, Metrics
from serving.inference.engine import Engine
from serving.inference.model import ServedModel
from serving.inference.queue import Desk
from serving.inference.reload import Keeper
from serving.input.payload import Accepted, base64_bytes, check_picture, refusal_of
from serving.settings import ServeSettings

Probabilities = NDArray[np.float32]
Draw = Callable[[bytes, NDArray[np.uint8], Probabilities], bytes]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Base64 text of a picture, and the media types that a data URI of it may name."""

    text: object
    types: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model, the same for the whole request, says of each picture.

    `drawn` holds the picture made of each, when one was asked for.
    """

    model: ServedModel
    outcomes: list[Probabilities | RefusalError]
    drawn: list[bytes]

    def whole(self) -> list[Probabilities]:
        """Return the probabilities of every picture. Raises the first refusal, with its index."""
        for index, outcome in enumerate(self.outcomes):
            if isinstance(outcome, RefusalError):
                raise outcome.at(index)
        return [outcome for outcome in self.outcomes if not isinstance(outcome, RefusalError)]


class Service:
    """The model in service, the threads that run it, and the limits."""

    def __init__(self, settings: ServeSettings, keeper: Keeper, desk: Desk) -> None:
        """Start with empty counters."""
        self.settings = settings
        self.keeper = keeper
        self.desk = desk
        self.metrics = Metrics()
        self.room = Room(settings.max_bodies)

    @property
    def model(self) -> ServedModel:
        """Return the model in service; take it once per request."""
        return self.keeper.current

    def is_stopping(self, request: Request) -> bool:
        """Say whether the server was told to end, and only answers what still comes."""
        ending = request.scope.get("state", {}).get(ENDING)
        return ending is not None and bool(ending.is_set())

    async def body(self, request: Request) -> bytes:
        """Return a request's body within the limits; `state.share` is its share of the room.

        Raises RefusalError (413, 408, 400, 503).
        """
        self.desk.check_room(1)
        limit, seconds = self.settings.max_body, self.settings.receive
        return await read_body(request, limit, seconds, request.state.share)

    def check_count(self, pictures: int) -> None:
        """Refuse more pictures than a request may hold; ask before anything is built of each.

        Raises RefusalError (413).
        """
        if pictures > self.settings.max_images:
            detail = f"More than {self.settings.max_images} pictures in one request"
            raise RefusalError(413, "too_many", detail)

    async def classify(
        self,
        pictures: Sequence[bytes | Encoded],
        accepted: Accepted,
        route: str,
        *,
        model: ServedModel | None = None,
        draw: Draw | None = None,
    ) -> Answers:
        """Decode and classify pictures, with `model` or else the one in service.

        `draw` makes a picture of each in the same job: of its bytes, what the model saw, and what
        it answered.
        Raises RefusalError (413, 503, 504) for the whole request. What is wrong with one picture
        is that picture's outcome.
        """
        self.check_count(len(pictures))
        accepted = replace(accepted, max_pixels=self.settings.max_pixels)
        sources = [_decoding(picture, accepted) for picture in pictures]
        return await self._run(sources, route, model or self.model, draw)

    async def infer(self, arrays: NDArray[np.float32], route: str, model: ServedModel) -> Answers:
        """Classify pixels in 0..255, float32[N, size, size, 3]. Raises as `classify` does."""
        self.check_count(len(arrays))
        return await self._run([_given(array) for array in arrays], route, model)

    async def _run(
        self,
        sources: Sequence["_Source"],
        route: str,
        model: ServedModel,
        draw: Draw | None = None,
    ) -> Answers:
        asked_at = perf_counter()
        jobs = [self._job(model.engine, source, asked_at, draw) for source in sources]
        found = await self.desk.run(jobs, self.settings.deadline)
        outcomes = [one if isinstance(one, RefusalError) else one[0] for one in found]
        self._count(model, outcomes, route)
        drawn = [b"" if isinstance(one, RefusalError) else one[1] for one in found]
        return Answers(model, outcomes, drawn)

    def _job(
        self, engine: Engine, source: "_Source", asked_at: float, draw: Draw | None
    ) -> Callable[[], tuple[Probabilities, bytes]]:
        def job() -> tuple[Probabilities, bytes]:
            began = perf_counter()
            data, pixels = source(engine)
            decoded = perf_counter()
            answer = engine.infer(pixels, alone=self.desk.pending == 1)
            inferred = perf_counter()
            self.metrics.wait_seconds.observe(began - asked_at)
            self.metrics.decode_seconds.observe(decoded - began)
            self.metrics.infer_seconds.observe(inferred - decoded)
            if draw is None:
                return answer, b""
            drawn = draw(data, pixels, answer)
            self.metrics.explain_seconds.observe(perf_counter() - inferred)
            return answer, drawn

        return job

    def _count(
        self, model: ServedModel, outcomes: Sequence[Probabilities | RefusalError], route: str
    ) -> None:
        for outcome in outcomes:
            if isinstance(outcome, RefusalError):
                self.metrics.refused.labels(route, outcome.reason).inc()
                continue
            self.metrics.pictures.inc()
            tagged = model.tag_rule.labels(outcome.tolist())
            first = tagged[0] if tagged else int(outcome.argmax())
            self.metrics.classes.labels(model.class_names[first]).inc()
            if not tagged:
                self.metrics.unknown.inc()


# A picture's bytes (none for pixels that came as such), and what the model sees of it.
_Source = Callable[[Engine], tuple[bytes, NDArray[Any]]]


def _decoding(picture: bytes | Encoded, accepted: Accepted) -> _Source:
    def source(engine: Engine) -> tuple[bytes, NDArray[Any]]:
        data = picture if isinstance(picture, bytes) else base64_bytes(picture.text, picture.types)
        check_picture(data, accepted)
        try:
            return data, engine.prepare(data)
        except PictureError as error:
            raise refusal_of(error) from error

    return source


def _given(array: NDArray[np.float32]) -> _Source:
    return lambda _engine: (b"", array)
