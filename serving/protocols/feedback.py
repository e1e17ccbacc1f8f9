"""Answer `/v1/feedback`: a picture and the class that it really shows, noted for review."""

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response

from sceneset.errors import MissingInputError, SettingsError
from serving.http.errors import RefusalError
from serving.inference.engine import top_classes
from serving.inference.model import ServedModel
from serving.inference.service import Service
from serving.input.payload import WITH_WEBP, base64_bytes
from serving.protocols.asked import BODY, TAKES, read_asked
from serving.protocols.contract import (
    EXAMPLE_PICTURE,
    JSON,
    Dialect,
    Route,
    json_response,
    problem_response,
)
from serving.protocols.heat_maps import label_asked

LARGEST = 10_000_000


class FeedbackFile:
    """A file that grows by one line per remark, up to `largest` bytes."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        """Take the file as it is. Raises MissingInputError when its folder does not exist, SettingsError for no file."""
        if not path.parent.is_dir():
            raise MissingInputError(
                f"no folder for --feedback {path}", cure=f"make it first: mkdir -p {path.parent}"
            )
        if path.exists() and not path.is_file():
            raise SettingsError(f"--feedback {path} is no file", cure="name a file, new or old")
        self._path = path
        self._largest = largest
        self._lock = Lock()

    def add(self, remark: Mapping[str, object]) -> None:
        """Append one line, whole or not at all. Raises RefusalError (503) when there is no room."""
        line = (json.dumps(remark, ensure_ascii=False) + "\n").encode()
        with self._lock:
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    self._write(descriptor, line)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise _no_room() from error

    def _write(self, descriptor: int, line: bytes) -> None:
        before = os.fstat(descriptor).st_size
        if before + len(line) > self._largest:
            raise _no_room()
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, before)
            raise _no_room()
        os.fsync(descriptor)


def _no_room() -> RefusalError:
    return RefusalError(503, "not_ready", "The remark cannot be stored")


PATH = "/v1/feedback"


def feedback_dialect(file: FeedbackFile) -> Dialect:
    """Return the contract that writes into `file`."""

    async def note(service: Service, request: Request) -> Response:
        """Note which class a picture shows, with its SHA-256 and never the picture itself."""
        model = service.model
        label = _label(request, model)
        data = await _one_picture(service, request)
        answers = await service.classify([data], WITH_WEBP, PATH, model=model)
        said, score = top_classes(answers.whole()[0], model.class_names, 1)[0]
        remark = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "sha256": hashlib.sha256(data).hexdigest(),
            "label": model.class_names[label],
            "predicted": said,
            "score": round(score, 6),
            "model": model.name,
            "version": model.version,
        }
        await asyncio.to_thread(file.add, remark)
        return json_response({"noted": True})

    route = Route(
        method="POST",
        path=PATH,
        handler=note,
        about="Note which class a picture really shows.",
        takes={**TAKES, JSON: {"image": EXAMPLE_PICTURE}},
        takes_json=BODY,
        query={"label": "the right class"},
        required=frozenset({"label"}),
        answers={"noted": True},
    )
    return Dialect(
        name="Feedback",
        about="Remarks on wrong answers: the picture's SHA-256, the right class, what was said.",
        routes=(route,),
        refuse=problem_response,
        prefixes=(),
    )


def _label(request: Request, model: ServedModel) -> int:
    name = request.query_params.get("label")
    if not name:
        raise RefusalError(400, "missing_parameter", "Missing parameter 'label'")
    return label_asked(name, model)


async def _one_picture(service: Service, request: Request) -> bytes:
    """Return the one picture's file, of which the remark holds the hash. Raises RefusalError."""
    asked = await read_asked(service, request)
    if len(asked.pictures) != 1:
        raise RefusalError(400, "bad_format", "Send one picture")
    (picture,) = asked.pictures
    if isinstance(picture, bytes):
        return picture
    return await asyncio.to_thread(base64_bytes, picture.text, picture.types)
