"""Answer `/model/predict` as the IBM Model Asset Exchange does: a form with one picture."""

from starlette.requests import Request
from starlette.responses import Response

from serving.http.body import form_parts, media_type
from serving.http.errors import RefusalError
from serving.inference.engine import top_classes
from serving.inference.service import Service
from serving.input.payload import WITH_WEBP
from serving.protocols.contract import Dialect, Route, json_response

LABELS = 5
FORM = "multipart/form-data"
_METADATA = {
    "id": "{name}-{version}",
    "name": "{name}",
    "description": "Image classifier with {classes} classes",
    "type": "Image Classification",
    "source": "sceneset",
    "license": "see model_card.md of the bundle",
}
_PREDICTION = {"label_id": "0", "label": "{label}", "probability": 0.9}


async def predict(service: Service, request: Request) -> Response:
    """Return the five most probable classes of the form's `image`."""
    if media_type(request) != FORM:
        raise RefusalError(415, "unsupported_media_type", f"Send {FORM} with the field 'image'")
    body = await service.body(request)
    parts = form_parts(body, request.headers["content-type"])
    pictures = [bytes(part.data) for part in parts if part.name == "image"]
    if len(pictures) != 1:
        raise RefusalError(400, "missing_parameter", "Give one picture as the field 'image'")
    answers = await service.classify(pictures, WITH_WEBP, "/model/predict")
    names = answers.model.class_names
    positions = {name: position for position, name in enumerate(names)}
    best = top_classes(answers.whole()[0], names, LABELS)
    predictions = [
        {"label_id": str(positions[label]), "label": label, "probability": share}
        for label, share in best
    ]
    return json_response({"status": "ok", "predictions": predictions})


async def labels(service: Service, _request: Request) -> Response:
    """List every class with its position."""
    names = service.model.class_names
    listed = [{"id": str(position), "name": name} for position, name in enumerate(names)]
    return json_response({"count": len(listed), "labels": listed})


async def metadata(service: Service, _request: Request) -> Response:
    """Describe the model."""
    model = service.model
    return json_response(
        {
            "id": f"{model.name}-{model.version}",
            "name": model.name,
            "description": f"Image classifier with {len(model.class_names)} classes",
            "type": "Image Classification",
            "source": "sceneset",
            "license": "see model_card.md of the bundle",
        }
    )


def refuse(refusal: RefusalError) -> Response:
    """Return `{"status": "error", "message": words}`."""
    told = {"status": "error", "message": refusal.detail}
    return json_response(told, refusal.status, refusal=refusal)


DIALECT = Dialect(
    name="Model Asset Exchange",
    about="A form with one picture; five predictions with the position of each label.",
    routes=(
        Route(
            method="POST",
            path="/model/predict",
            handler=predict,
            about="Name the five most probable classes of one picture.",
            takes={FORM: {"image": "<file>"}},
            answers={"status": "ok", "predictions": [_PREDICTION]},
        ),
        Route(
            method="GET",
            path="/model/labels",
            handler=labels,
            about="List every class with its position.",
            answers={"count": "{classes}", "labels": [{"id": "0", "name": "{label}"}]},
        ),
        Route(
            method="GET",
            path="/model/metadata",
            handler=metadata,
            about="Describe the model.",
            answers=_METADATA,
        ),
    ),
    refuse=refuse,
    prefixes=("/model/",),
)
