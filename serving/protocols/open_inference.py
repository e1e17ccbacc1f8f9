"""Answer the Open Inference Protocol, version 2, in JSON."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError, bad_format
from serving.http.payload import WITH_WEBP, as_list, as_object, parse_json
from serving.http.tensors import parse_flat_pixels
from serving.inference.model import ServedModel
from serving.inference.service import Answers, Service
from serving.protocols.contract import (
    ANYTHING,
    COUNT,
    EXAMPLE_PICTURE,
    JSON,
    TEXT,
    ClientProtocol,
    Route,
    always,
    error_response,
    json_response,
    list_of,
    object_of,
    short_text,
)
from serving.protocols.tf_serving import check_model

INPUT, PROBABILITIES, LABEL = "image", "probabilities", "label"
INFER = "/v2/models/{name}/infer"
_BYTE = 255
_LONGEST_SIDE = 1_000_000


async def ready(service: Service, request: Request) -> Response:
    """Say whether requests are taken."""
    if service.is_stopping(request):
        raise HTTPError(503, "not_ready", "The server is stopping")
    return json_response({"ready": True})


async def model_ready(service: Service, request: Request) -> Response:
    """Say whether the model is in service."""
    model = check_model(service.model, request)
    return json_response({"name": model.name, "ready": not service.is_stopping(request)})


async def metadata(service: Service, request: Request) -> Response:
    """Describe the model's tensors."""
    model = check_model(service.model, request)
    return json_response(
        {
            "name": model.name,
            "versions": [model.version],
            "platform": "litert",
            "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
            "outputs": [
                {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, len(model.class_names)]},
                {"name": LABEL, "datatype": "BYTES", "shape": [-1]},
            ],
        }
    )


async def infer(service: Service, request: Request) -> Response:
    """Return probabilities and the first label of every picture."""
    model = check_model(service.model, request)
    if "inference-header-content-length" in request.headers:
        raise bad_format("Binary tensors are not taken; send JSON")
    body = as_object(parse_json(await service.body(request)), "The body")
    wanted = _wanted(body)
    answers = await _answer(service, model, body)
    answer: dict[str, object] = {"model_name": model.name, "model_version": model.version}
    if "id" in body:
        answer["id"] = short_text(body["id"])
    answer["outputs"] = [output for output in _outputs(answers) if output["name"] in wanted]
    return json_response(answer)


def _wanted(body: dict[str, Any]) -> set[str]:
    if "outputs" not in body:
        return {PROBABILITIES, LABEL}
    named = [
        as_object(one, "An output").get("name") for one in as_list(body["outputs"], "'outputs'")
    ]
    if any(name not in (PROBABILITIES, LABEL) for name in named):
        raise bad_format(f"The outputs are {PROBABILITIES} and {LABEL}")
    return {str(name) for name in named} or {PROBABILITIES, LABEL}


async def _answer(service: Service, model: ServedModel, body: dict[str, Any]) -> Answers:
    inputs = as_list(body.get("inputs"), "'inputs'")
    if len(inputs) != 1:
        raise bad_format("Give one input tensor")
    tensor = as_object(inputs[0], "The input tensor")
    shape = _shape(tensor)
    data = as_list(tensor.get("data"), "'data'")
    kind = tensor.get("datatype")
    if kind == "BYTES":
        pictures = _texts(service, data, shape)
        return await service.classify(pictures, WITH_WEBP, INFER, model=model)
    if kind not in ("FP32", "UINT8"):
        raise bad_format("'datatype' must be BYTES, FP32 or UINT8")
    array = parse_flat_pixels(data, shape, model.size, service.settings.max_images)
    if kind == "UINT8" and not ((array >= 0) & (array <= _BYTE) & (array % 1 == 0)).all():
        raise bad_format("UINT8 values are whole numbers from 0 to 255")
    return await service.infer(array, INFER, model)


def _texts(service: Service, data: list[Any], shape: list[int]) -> list[Any]:
    """Return the pictures of a BYTES tensor, flat or with one of its rows for each."""
    service.check_count(len(data))
    parts = [part if isinstance(part, list) else [part] for part in data]
    count = sum(map(len, parts))
    service.check_count(count)
    if count != shape[0] or shape[1:] not in ([], [1]):
        raise bad_format("'shape' is not the number of pictures")
    return [text for part in parts for text in part]


def _shape(tensor: dict[str, Any]) -> list[int]:
    shape = as_list(tensor.get("shape"), "'shape'")
    sides = [side for side in shape if type(side) is int and 0 <= side <= _LONGEST_SIDE]
    if not shape or sides != shape:
        raise bad_format("'shape' must list whole numbers from 0")
    return sides


def _outputs(answers: Answers) -> list[dict[str, object]]:
    rows, best = answers.whole(), answers.top(1)
    return [
        {
            "name": PROBABILITIES,
            "datatype": "FP32",
            "shape": [len(rows), len(answers.model.class_names)],
            "data": [share for row in rows for share in row.tolist()],
        },
        {
            "name": LABEL,
            "datatype": "BYTES",
            "shape": [len(rows)],
            "data": [label for ((label, _),) in best],
        },
    ]


# A request: one tensor, of pictures' files or of their pixels.
_INPUT = object_of(
    {
        "shape": list_of(COUNT | {"maximum": _LONGEST_SIDE}, minItems=1),
        "datatype": {"type": "string", "enum": ["BYTES", "FP32", "UINT8"]},
        "data": {"type": "array"},
    },
    {"name": TEXT},
)
_WANTED = object_of({"name": {"type": "string", "enum": [PROBABILITIES, LABEL]}})
_TAKES = object_of(
    {"inputs": list_of(_INPUT, minItems=1, maxItems=1)},
    {"outputs": list_of(_WANTED), "id": ANYTHING},
)
_RESULT = object_of(
    {"name": TEXT, "datatype": TEXT, "shape": list_of(COUNT), "data": {"type": "array"}}
)
_GIVES = object_of(
    {"model_name": TEXT, "model_version": TEXT, "outputs": list_of(_RESULT)}, {"id": TEXT}
)
_OUTPUT = {"name": LABEL, "datatype": "BYTES", "shape": [1], "data": ["{label}"]}
_TENSOR = {"name": INPUT, "datatype": "BYTES", "shape": [-1]}
_METADATA = {
    "name": "{name}",
    "versions": ["{version}"],
    "platform": "litert",
    "inputs": [_TENSOR],
    "outputs": [{"name": LABEL, "datatype": "BYTES", "shape": [-1]}],
}
_MODEL_READY = {"name": "{name}", "ready": True}
_SERVER = {"name": "sceneset", "version": "2", "extensions": []}


def _model_routes(base: str) -> tuple[Route, ...]:
    tensor = {"name": INPUT, "shape": [1], "datatype": "BYTES", "data": [EXAMPLE_PICTURE]}
    return (
        Route(
            path=base, handler=metadata, about="Describe the model's tensors.", answers=_METADATA
        ),
        Route(
            path=f"{base}/ready",
            handler=model_ready,
            about="Say whether the model is in service.",
            answers=_MODEL_READY,
        ),
        Route(
            method="POST",
            path=f"{base}/infer",
            handler=infer,
            about="Classify pictures' files as base64 (BYTES, [N]), or pixels (FP32 or UINT8,"
            " [N, {size}, {size}, 3]: rows of px from the top, red, green, blue, 0..255).",
            takes={JSON: {"inputs": [tensor]}},
            takes_json=_TAKES,
            answers={"model_name": "{name}", "model_version": "{version}", "outputs": [_OUTPUT]},
            gives=_GIVES,
        ),
    )


PROTOCOL = ClientProtocol(
    name="Open Inference Protocol",
    about="Version 2, as KServe and Triton speak it, in JSON.",
    routes=(
        Route(
            path="/v2",
            handler=always(_SERVER),
            about="Name the server.",
            answers=_SERVER,
            needs_key=False,
        ),
        Route(
            path="/v2/health/live",
            handler=always({"live": True}),
            about="Say that the process is alive.",
            answers={"live": True},
            needs_key=False,
        ),
        Route(
            path="/v2/health/ready",
            handler=ready,
            about="Say whether requests are taken.",
            answers={"ready": True},
            needs_key=False,
            errors=frozenset({503}),
        ),
        *_model_routes("/v2/models/{name}"),
        *_model_routes("/v2/models/{name}/versions/{version}"),
    ),
    error_response=error_response,
    prefixes=("/v2",),
)
