"""Answer `/v1/feedback`: a picture and the class that it really shows, noted for review."""

import asyncio
import hashlib
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from serving.dialects.contract import Dialect, Route, json_response, problem_response
from serving.engine import top_classes
from serving.feedback import FeedbackFile
from serving.heat_maps import label_asked
from serving.pictures import WITH_WEBP
from serving.service import Service

PATH = "/v1/feedback"


def feedback_dialect(file: FeedbackFile) -> Dialect:
    """Return the contract that writes into `file`."""

    async def note(service: Service, request: Request) -> Response:
        """Note which class a picture shows, with its SHA-256 and never the picture itself."""
        model = service.model
        label = label_asked(request.query_params.get("label", ""), model)
        body = await service.body(request)
        answers = await service.classify([body], WITH_WEBP, PATH, model=model)
        said, score = top_classes(answers.whole()[0], model.class_names, 1)[0]
        remark = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "sha256": hashlib.sha256(body).hexdigest(),
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
        takes=dict.fromkeys(("image/jpeg", "image/png", "image/webp"), "<bytes>"),
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
