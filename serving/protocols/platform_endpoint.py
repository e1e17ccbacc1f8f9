"""Answer `/api/v1/endpoints/{slug}`: five labels for each named base64 picture."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError
from serving.http.payload import EVERY_MODE, as_list, as_object, parse_json, parse_switch
from serving.inference.service import Service
from serving.protocols.contract import (
    ANYTHING,
    EXAMPLE_PICTURE,
    JSON,
    NUMBER,
    PICTURE,
    SWITCH,
    TEXT,
    ClientProtocol,
    Route,
    error_response,
    json_response,
    list_of,
    object_of,
    one_of_these,
    short_text,
)

LABELS = 5
_EXAMPLE = {"input_params": {"img": [{"name": "3.jpg", "base_64_content": EXAMPLE_PICTURE}]}}

_NAMED = object_of({"base_64_content": PICTURE}, {"name": ANYTHING})
_PARAMS = object_of({"img": list_of(one_of_these(_NAMED, PICTURE))})
_BARE = _PARAMS | {"not": {"required": ["input_params"]}}
_BODY = one_of_these(object_of({"input_params": _PARAMS}), _BARE)
_PREDICTION = object_of({"labels": list_of(TEXT), "name": TEXT}, {"confidence": list_of(NUMBER)})


async def predict(service: Service, request: Request) -> Response:
    """Return five labels per picture, and with `?confidence=1` their probabilities."""
    listed = _listed(parse_json(await service.body(request)))
    service.check_count(len(listed))
    entries = [_entry(entry, index) for index, entry in enumerate(listed)]
    confident = parse_switch(request.query_params.get("confidence"), "confidence")
    pictures = [content for _, content in entries]
    answers = await service.classify(pictures, EVERY_MODE, "/api/v1/endpoints/{slug}")
    predictions = []
    for (name, _), best in zip(entries, answers.top(LABELS), strict=True):
        prediction: dict[str, object] = {"labels": [label for label, _ in best], "name": name}
        if confident:
            prediction["confidence"] = [round(share, 4) for _, share in best]
        predictions.append(prediction)
    return json_response({"prediction": predictions})


def _listed(body: Any) -> list[Any]:  # noqa: ANN401  any JSON value
    params = as_object(body, "The body")
    if "input_params" in params:
        params = as_object(params["input_params"], "'input_params'")
    if "img" not in params:
        raise HTTPError(400, "missing_parameter", "Missing parameter 'img'")
    return as_list(params["img"], "'img'")


def _entry(entry: Any, index: int) -> tuple[str, object]:  # noqa: ANN401  any JSON value
    if not isinstance(entry, dict):
        return str(index), entry
    if "base_64_content" not in entry:
        detail = "Missing 'base_64_content' in an entry of 'img'"
        raise HTTPError(400, "missing_parameter", detail, index=index)
    return short_text(entry.get("name", index)), entry["base_64_content"]


def _route(path: str, more: str = "") -> Route:
    return Route(
        method="POST",
        path=path,
        handler=predict,
        about=f"Name the five most probable classes of each picture.{more}",
        takes={JSON: _EXAMPLE},
        takes_json=_BODY,
        query={"confidence": "1 adds the five probabilities"},
        words={"confidence": SWITCH},
        gives=object_of({"prediction": list_of(_PREDICTION)}),
        answers={"prediction": [{"labels": ["{label}"], "name": "3.jpg"}]},
    )


PROTOCOL = ClientProtocol(
    name="Platform endpoint",
    about='Objects with "name" and "base_64_content", or plain base64 strings; with or without'
    ' "input_params" around them.',
    routes=(
        _route("/api/v1/endpoints/{slug}", " Any word may stand for slug."),
        _route("/cnvrg/predict"),
    ),
    error_response=error_response,
    prefixes=("/api/v1/", "/cnvrg/"),
)
