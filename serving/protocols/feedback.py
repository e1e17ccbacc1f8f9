"""Answer `/v1/feedback`: a picture and the class that it really shows, noted for review."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response

from sceneset.errors import MissingInputError, SettingsError
from serving.http.errors import HTTPError
from serving.http.payload import OWN, decode_base64
from serving.inference.service import Service
from serving.protocols.contract import (
    EXAMPLE_PICTURE,
    JSON,
    ClientProtocol,
    Route,
    json_response,
    problem_response,
)
from serving.protocols.pictures import BODY, TAKES, read_one_picture, requested_label

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
        """Append one line, whole or not at all. Raises HTTPError (503) when there is no room."""
        line = (json.dumps(remark, ensure_ascii=False) + "\n").encode()
        try:
            with self._lock:
                self._append(line)
        except OSError as error:
            raise HTTPError(503, "not_ready", "The remark cannot be stored") from error

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab", 0) as file:
            before = os.fstat(descriptor).st_size
            if before + len(line) > self._largest:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            if file.write(line) < len(line):
                file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)


PATH = "/v1/feedback"


async def note(file: FeedbackFile, service: Service, request: Request) -> Response:
    """Note which class a picture shows, with its SHA-256 and never the picture itself."""
    model, name = service.model, request.query_params.get("label")
    if not name:
        raise HTTPError(400, "missing_parameter", "Missing parameter 'label'")
    label = requested_label(name, model)
    sent = await read_one_picture(service, request, "Send one picture")
    types = OWN.media_types  # the remark holds the hash of the file, whatever it came as
    picture = (
        sent if isinstance(sent, bytes) else await asyncio.to_thread(decode_base64, sent, types)
    )
    answers = await service.classify([picture], OWN, PATH, model=model)
    predicted, score = answers.top(1)[0][0]
    remark = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": hashlib.sha256(picture).hexdigest(),
        "label": model.class_names[label],
        "predicted": predicted,
        "score": round(score, 6),
        "model": model.name,
        "version": model.version,
    }
    await asyncio.to_thread(file.add, remark)
    return json_response({"noted": True})


def feedback_protocol(file: FeedbackFile) -> ClientProtocol:
    """Return the contract that writes into `file`."""
    route = Route(
        method="POST",
        path=PATH,
        handler=partial(note, file),
        about="Note which class a picture really shows.",
        takes={**TAKES, JSON: {"image": EXAMPLE_PICTURE}},
        takes_json=BODY,
        query={"label": "the right class"},
        required=frozenset({"label"}),
        answers={"noted": True},
    )
    return ClientProtocol(
        name="Feedback",
        about="Remarks on wrong answers: the picture's SHA-256, the right class, what was said.",
        routes=(route,),
        error_response=problem_response,
        prefixes=(),
    )
