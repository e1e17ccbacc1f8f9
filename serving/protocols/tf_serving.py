"""Answer the REST interface of TensorFlow Serving: predict, status, metadata."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError, bad_format
from serving.http.payload import WITH_WEBP, as_list, as_object, parse_json
from serving.http.tensors import parse_pixels
from serving.inference.model import ServedModel
from serving.inference.service import Answers, Service
from serving.protocols.contract import (
    EXAMPLE_PICTURE,
    JSON,
    NUMBER,
    TEXT,
    ClientProtocol,
    Route,
    error_response,
    json_response,
    list_of,
    object_of,
    one_of_these,
)

INPUT, OUTPUT, SIGNATURE = "image", "probabilities", "serving_default"
# Those of an exported SavedModel. Only `base64` takes plain text; the rest shows in the instance.
BASE64 = "base64"
SIGNATURES = (SIGNATURE, "bytes", BASE64)
PREDICT = "/v1/models/{name}:predict"


async def predict(service: Service, request: Request) -> Response:
    """Return a row of probabilities per instance, or `outputs` for the columnar form."""
    model = check_model(service.model, request)
    body = as_object(parse_json(await service.body(request)), "The body")
    signature = body.get("signature_name", SIGNATURE)
    if signature not in (*SIGNATURES, ""):
        raise bad_format(f"The signatures are {', '.join(SIGNATURES)}")
    if ("instances" in body) == ("inputs" in body):
        raise HTTPError(400, "missing_parameter", "Give either 'instances' or 'inputs'")
    if "instances" in body:
        listed = as_list(body["instances"], "'instances'")
        service.check_count(len(listed))
    else:
        column = _value(body["inputs"])
        listed = column if isinstance(column, list) else [column]
    answers = await _answer(service, model, [_picture(row, signature) for row in listed])
    name = "predictions" if "instances" in body else "outputs"
    return json_response({name: [row.tolist() for row in answers.whole()]})


async def status(service: Service, request: Request) -> Response:
    """Say that the version in service is available."""
    model = check_model(service.model, request)
    state = {
        "version": model.version,
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return json_response({"model_version_status": [state]})


async def metadata(service: Service, request: Request) -> Response:
    """Describe the one signature."""
    model = check_model(service.model, request)
    spec = {"name": model.name, "signature_name": "", "version": model.version}
    signature = {
        "inputs": {INPUT: _tensor("DT_FLOAT", [-1, model.size, model.size, 3])},
        "outputs": {OUTPUT: _tensor("DT_FLOAT", [-1, len(model.class_names)])},
        "method_name": "tensorflow/serving/predict",
    }
    definition = {"signature_def": {"signature_def": {SIGNATURE: signature}}}
    return json_response({"model_spec": spec, "metadata": definition})


async def other_verb(_service: Service, _request: Request) -> Response:
    """Refuse what TensorFlow Serving knows beside predict: classify and regress."""
    raise HTTPError(404, "not_found", "Only :predict is served")


def check_model(model: ServedModel, request: Request) -> ServedModel:
    """Return the model when a request names it and its version. Raises HTTPError (404)."""
    named = request.path_params.get("name") == model.name
    if not named or request.path_params.get("version", model.version) != model.version:
        raise HTTPError(
            404,
            "not_found",
            f"Servable not found for request; {model.name} version {model.version} is served",
        )
    return model


async def _answer(service: Service, model: ServedModel, rows: list[Any]) -> Answers:
    if not rows or any(isinstance(row, dict | str) for row in rows):
        service.check_count(len(rows))
        pictures = [row.get("b64") if isinstance(row, dict) else None for row in rows]
        return await service.classify(pictures, WITH_WEBP, PREDICT, model=model)
    array = parse_pixels(rows, model.size, service.settings.max_images)
    return await service.infer(array, PREDICT, model)


def _value(entry: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return what stands under the one input's name, or the value itself."""
    if isinstance(entry, dict) and len(entry) == 1 and "b64" not in entry:
        return next(iter(entry.values()))
    return entry


def _picture(row: Any, signature: str) -> Any:  # noqa: ANN401  any JSON value
    """Return a row as pixels or {"b64": text}."""
    value = _value(row)
    return {"b64": value} if signature == BASE64 and isinstance(value, str) else value


def _tensor(kind: str, shape: list[int]) -> dict[str, object]:
    dims = [{"size": str(side), "name": ""} for side in shape]
    return {"dtype": kind, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": ""}


_STATE = {"error_code": "OK", "error_message": ""}
_STATUS = {
    "model_version_status": [{"version": "{version}", "state": "AVAILABLE", "status": _STATE}]
}
_METADATA = {
    "model_spec": {"name": "{name}", "signature_name": "", "version": "{version}"},
    "metadata": {"signature_def": {"signature_def": {}}},
}
# A row: {"b64": text} or text, under a name or not, or the numbers of its pixels.
_ROW = one_of_these({"type": "object", "minProperties": 1}, TEXT, {"type": "array"})
_NAMES = {"instances": list_of(_ROW), "inputs": _ROW}
_BODY = object_of({}, {**_NAMES, "signature_name": TEXT | {"enum": [*SIGNATURES, ""]}})
_BODY["oneOf"] = [{"required": [name]} for name in _NAMES]
_ROWS = list_of(list_of(NUMBER))
_GIVES = one_of_these(object_of({"predictions": _ROWS}), object_of({"outputs": _ROWS}))
_BASE = "/v1/models/{name}"
_VERSION = "/v1/models/{name}/versions/{version}"

PROTOCOL = ClientProtocol(
    name="TensorFlow Serving",
    about='The REST interface of TensorFlow Serving: rows ("instances") or columns ("inputs"). Each'
    ' row is a picture\'s file, {"b64": text}, or its pixels: together [N, {size}, {size}, 3],'
    " rows of px from the top, red, green, blue, 0..255.",
    routes=(
        *(
            Route(
                method="POST",
                path=f"{base}:predict",
                handler=predict,
                about="Return the probabilities of every class, in the order of the labels.",
                takes={JSON: {"instances": [{"b64": EXAMPLE_PICTURE}]}},
                takes_json=_BODY,
                gives=_GIVES,
                answers={"predictions": [[0.9, 0.1]]},
            )
            for base in (_BASE, _VERSION)
        ),
        *(
            Route(
                method="POST",
                path=f"{base}:{{verb}}",
                handler=other_verb,
                about="Refuse other verbs than predict.",
                listed=False,
            )
            for base in (_BASE, _VERSION)
        ),
        Route(
            path=f"{_BASE}/metadata",
            handler=metadata,
            about="Describe inputs and outputs.",
            answers=_METADATA,
        ),
        Route(
            path=f"{_VERSION}/metadata",
            handler=metadata,
            about="Describe inputs and outputs.",
            answers=_METADATA,
        ),
        Route(
            path=_BASE, handler=status, about="Say which version is in service.", answers=_STATUS
        ),
        Route(
            path=_VERSION,
            handler=status,
            about="Say whether this version is in service.",
            answers=_STATUS,
        ),
    ),
    error_response=error_response,
    prefixes=("/v1/models",),
)
