"""Read which pictures a request of our own routes sends: bytes, a form or JSON."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from serving.http.body import form_parts, media_type
from serving.http.errors import RefusalError
from serving.inference.service import Encoded, Service
from serving.input.payload import JPEG_PNG_WEBP, items, objects, parse_json, whole_number
from serving.protocols.contract import JSON, PICTURE, WHOLE_NUMBER, list_of, object_of, one_of_these

if TYPE_CHECKING:
    from collections.abc import Callable


TOP = 3
FORM = "multipart/form-data"
RAW = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
# curl --data-binary says this unless told otherwise.
_UNSAID = ("", "application/x-www-form-urlencoded", "image/jpg", "image/*")

TAKES = {
    "image/jpeg": "<bytes>",
    "image/png": "<bytes>",
    "image/webp": "<bytes>",
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
class Asked:
    """The pictures of a request, whether they came as a list, and how many labels it wants."""

    pictures: list[bytes | Encoded]
    many: bool = False
    top: int = TOP


async def read_asked(service: Service, request: Request) -> Asked:
    """Return what a request sends. Raises RefusalError (415, 413, 400, 408)."""
    kind = media_type(request)
    readers: dict[str, Callable[[bytes, str], Asked]] = {
        FORM: _from_form,
        **dict.fromkeys((*RAW, *_UNSAID), _from_raw),
    }
    if kind != JSON and kind not in readers:
        detail = "Send a picture's bytes, multipart/form-data or application/json"
        raise RefusalError(415, "unsupported_media_type", detail)
    body = await service.body(request)
    if kind == JSON:
        return _from_json(service, body)
    return readers[kind](body, request.headers.get("content-type", ""))


def _from_raw(body: bytes, _kind: str) -> Asked:
    if not body:
        raise RefusalError(400, "missing_parameter", "The body is empty; send a picture")
    if body.lstrip()[:1] in {b"{", b"["}:  # as no picture does; curl -d names no type of its own
        detail = "The bytes are not a picture; for JSON send Content-Type: application/json"
        raise RefusalError(400, "not_a_picture", detail)
    return Asked([body])


def _from_form(body: bytes, kind: str) -> Asked:
    files: list[bytes | Encoded] = [
        bytes(part.data) for part in form_parts(body, kind) if part.filename is not None
    ]
    if not files:
        raise RefusalError(400, "missing_parameter", "The form holds no file")
    return Asked(files, len(files) > 1)


def _from_json(service: Service, body: bytes) -> Asked:
    value = parse_json(body)
    if isinstance(value, dict):
        asked = _from_object(service, value)
        wanted = objects(value.get("parameters", {}), "'parameters'").get("top_k", TOP)
        return replace(asked, top=whole_number(str(wanted), TOP, 10**9, "'top_k'"))
    return _from_list(service, items(value, "The body"))


def _from_object(service: Service, value: dict[str, Any]) -> Asked:
    for name in ("image", "inputs"):
        if name in value and not isinstance(value[name], list):
            return Asked([_encoded(value[name])])
    for name in ("images", "inputs"):
        if name in value:
            return _from_list(service, items(value[name], f"'{name}'"))
    detail = "Give 'image', 'images' or 'inputs' as base64"
    raise RefusalError(400, "missing_parameter", detail)


def _from_list(service: Service, texts: list[Any]) -> Asked:
    service.check_count(len(texts))
    return Asked([_encoded(text) for text in texts], many=True)


def _encoded(text: object) -> Encoded:
    return Encoded(text, JPEG_PNG_WEBP)
