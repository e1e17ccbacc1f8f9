"""Answer `/model/predict` as the IBM Model Asset Exchange does: a form with one picture."""

from starlette.requests import Request
from starlette.responses import Response

from serving.http.body import FORM, form_parts, media_type
from serving.http.errors import HTTPError
from serving.http.payload import WITH_WEBP
from serving.inference.service import Service
from serving.protocols.contract import ClientProtocol, Route, json_response

LABELS = 5
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
        raise HTTPError(415, "unsupported_media_type", f"Send {FORM} with the field 'image'")
    body = await service.body(request)
    parts = form_parts(body, request.headers["content-type"])
    pictures = [bytes(part.data) for part in parts if part.name == "image"]
    if len(pictures) != 1:
        raise HTTPError(400, "missing_parameter", "Give one picture as the field 'image'")
    answers = await service.classify(pictures, WITH_WEBP, "/model/predict")
    positions = {name: place for place, name in enumerate(answers.model.class_names)}
    predictions = [
        {"label_id": str(positions[label]), "label": label, "probability": share}
        for label, share in answers.top(LABELS)[0]
    ]
    return json_response({"status": "ok", "predictions": predictions})


async def labels(service: Service, _request: Request) -> Response:
    """List every class with its position."""
    names = service.model.class_names
    classes = [{"id": str(position), "name": name} for position, name in enumerate(names)]
    return json_response({"count": len(classes), "labels": classes})


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


def error_response(error: HTTPError) -> Response:
    """Return an error as `{"status": "error", "message": words}`."""
    return json_response({"status": "error", "message": error.detail}, error=error)


PROTOCOL = ClientProtocol(
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
    error_response=error_response,
    prefixes=("/model/",),
)
