"""Answer `/v1/feedback`: a picture and the class that it really shows, noted for review."""

import asyncio
import hashlib
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from serving.bundle import ServedModel
from serving.dialects.asked import BODY, TAKES, read_asked
from serving.dialects.contract import (
    EXAMPLE_PICTURE,
    JSON,
    Dialect,
    Route,
    json_response,
    problem_response,
)
from serving.engine import top_classes
from serving.feedback import FeedbackFile
from serving.heat_maps import label_asked
from serving.payload import base64_bytes
from serving.pictures import WITH_WEBP
from serving.refusal import RefusalError
from serving.service import Service

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
