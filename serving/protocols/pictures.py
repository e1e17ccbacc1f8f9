"""Read which pictures a request of our own routes sends: bytes, a form or JSON."""

from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from serving.http.body import FORM, form_parts, media_type
from serving.http.errors import HTTPError, bad_format
from serving.http.payload import as_list, as_object, parse_json, parse_whole_number
from serving.inference.model import ServedModel, find_label
from serving.inference.service import Service
from serving.protocols.contract import JSON, PICTURE, WHOLE_NUMBER, list_of, object_of, one_of_these

TOP = 3
# curl --data-binary sends the second unless another is given.
_UNSTATED = ("", "application/x-www-form-urlencoded", "image/jpg", "image/*")
_PICTURES = ("jpeg", "png", "webp", "gif", "bmp", "x-ms-bmp", "heic", "heif")
RAW = (*(f"image/{name}" for name in _PICTURES), "application/octet-stream")

TAKES = {
    **{name: "<bytes>" for name in RAW if name not in {"image/x-ms-bmp", RAW[-1]}},
    FORM: {"file": "<file>"},
}
# A JSON body: one picture or several, under one of three names or as a bare list.
_TOP = {"top_k": one_of_these(WHOLE_NUMBER, {"type": "integer", "minimum": 1})}
_MORE = {"parameters": object_of({}, _TOP)}
_LIST = list_of(PICTURE)
BODY = one_of_these(
    _LIST,
    object_of({"image": PICTURE}, _MORE),
    object_of({"inputs": one_of_these(PICTURE, _LIST)}, _MORE),
    object_of({"images": _LIST}, _MORE),
)


@dataclass(frozen=True, slots=True)
class RequestPictures:
    """The pictures of a request, whether they came as a list, and how many labels it wants.

    Bytes are a picture's file; any other value is to be base64 text.
    """

    pictures: list[object]
    many: bool = False
    top: int = TOP


async def read_pictures(service: Service, request: Request) -> RequestPictures:
    """Return what a request sends. Raises HTTPError (415, 413, 400, 408)."""
    kind = media_type(request)
    if kind not in {FORM, JSON, *RAW, *_UNSTATED}:
        raise HTTPError(
            415,
            "unsupported_media_type",
            "Send a picture's bytes, multipart/form-data or application/json",
        )
    body = await service.body(request)
    if kind == JSON:
        return _from_json(service, body)
    if kind == FORM:
        return _from_form(body, request.headers["content-type"])
    if not body:
        raise HTTPError(400, "missing_parameter", "The body is empty; send a picture")
    if body.lstrip()[:1] in {b"{", b"["}:  # as no picture does; curl -d names no type of its own
        raise HTTPError(
            400,
            "not_a_picture",
            "The bytes are not a picture; for JSON send Content-Type: application/json",
        )
    return RequestPictures([body])


async def read_one_picture(service: Service, request: Request, detail: str) -> object:
    """Return the one picture that a request sends. Raises HTTPError, with `detail` for several."""
    requested = await read_pictures(service, request)
    if len(requested.pictures) != 1:
        raise bad_format(detail)
    return requested.pictures[0]


def requested_label(name: str, model: ServedModel) -> int:
    """Return the label of a class that a client names. Raises HTTPError (400)."""
    label = find_label(name, model.class_names)
    if label is None:
        raise bad_format("'label' is none of the model's classes; GET /v1/model lists them")
    return label


def _from_form(body: bytes, content_type: str) -> RequestPictures:
    files: list[object] = [
        bytes(part.data) for part in form_parts(body, content_type) if part.filename is not None
    ]
    if not files:
        raise HTTPError(400, "missing_parameter", "The form holds no file")
    return RequestPictures(files, len(files) > 1)


def _from_json(service: Service, body: bytes) -> RequestPictures:
    value = parse_json(body)
    if isinstance(value, dict):
        top = as_object(value.get("parameters", {}), "'parameters'").get("top_k", TOP)
        requested = _from_object(service, value)
        return replace(requested, top=parse_whole_number(str(top), TOP, 10**9, "'top_k'"))
    return _from_list(service, as_list(value, "The body"))


def _from_object(service: Service, value: dict[str, Any]) -> RequestPictures:
    for name in ("image", "inputs"):
        if name in value and not isinstance(value[name], list):
            return RequestPictures([value[name]])
    for name in ("images", "inputs"):
        if name in value:
            return _from_list(service, as_list(value[name], f"'{name}'"))
    raise HTTPError(400, "missing_parameter", "Give 'image', 'images' or 'inputs' as base64")


def _from_list(service: Service, texts: list[Any]) -> RequestPictures:
    service.check_count(len(texts))
    return RequestPictures(texts, many=True)
