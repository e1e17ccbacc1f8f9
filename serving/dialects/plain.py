"""Answer `/v1/classify`: bytes, a form or JSON in, labels and scores out."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from serving.body import form_parts, media_type
from serving.dialects.contract import JSON, Dialect, Route, json_response, problem_response
from serving.engine import top_classes
from serving.payload import JPEG_PNG_WEBP, is_on, items, objects, parse_json, whole_number
from serving.pictures import WITH_WEBP
from serving.refusal import RefusalError
from serving.service import Answers, Encoded, Probabilities, Service
from serving.tags import choose_tags

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/v1/classify"
TOP = 3
FORM = "multipart/form-data"
RAW = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
# curl --data-binary says this unless told otherwise.
_UNSAID = ("", "application/x-www-form-urlencoded", "image/jpg", "image/*")
_LABELS = [{"label": "Beach", "score": 0.91}]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The pictures of a request, whether they came as a list, and how many labels it wants."""

    pictures: list[bytes | Encoded]
    many: bool = False
    top: int = TOP


async def classify(service: Service, request: Request) -> Response:
    """Return labels and scores: one list for one picture, a list of lists for several."""
    query = request.query_params
    if "explain" in query:
        detail = "serve gives no heat maps; sceneset classify --explain DIR draws them"
        raise RefusalError(400, "bad_format", detail)
    partial, tags = is_on(query.get("partial"), "partial"), is_on(query.get("tags"), "tags")
    asked = await _asked(service, request)
    most = len(service.model.class_names)
    top = whole_number(query.get("top"), asked.top, most, "top")
    answers = await service.classify(asked.pictures, WITH_WEBP, PATH)
    told = _told(answers, top, partial=partial and asked.many, tags=tags)
    return json_response(told if asked.many else told[0])


def _told(answers: Answers, top: int, *, partial: bool, tags: bool) -> list[object]:
    names = answers.model.class_names

    def one(found: Probabilities) -> object:
        labels = [
            {"label": label, "score": score} for label, score in top_classes(found, names, top)
        ]
        return {"labels": labels, "tags": choose_tags(found, names)} if tags else labels

    if not partial:
        return [one(found) for found in answers.whole()]
    return [
        {"index": index, "error": found.detail, "reason": found.reason}
        if isinstance(found, RefusalError)
        else one(found)
        for index, found in enumerate(answers.outcomes)
    ]


async def _asked(service: Service, request: Request) -> _Asked:
    kind = media_type(request)
    readers: dict[str, Callable[[bytes, str], _Asked]] = {
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


def _from_raw(body: bytes, _kind: str) -> _Asked:
    if not body:
        raise RefusalError(400, "missing_parameter", "The body is empty; send a picture")
    return _Asked([body])


def _from_form(body: bytes, kind: str) -> _Asked:
    files: list[bytes | Encoded] = [
        bytes(part.data) for part in form_parts(body, kind) if part.filename is not None
    ]
    if not files:
        raise RefusalError(400, "missing_parameter", "The form holds no file")
    return _Asked(files, len(files) > 1)


def _from_json(service: Service, body: bytes) -> _Asked:
    value = parse_json(body)
    if isinstance(value, dict):
        asked = _from_object(service, value)
        wanted = objects(value.get("parameters", {}), "'parameters'").get("top_k", TOP)
        return replace(asked, top=whole_number(str(wanted), TOP, 10**9, "'top_k'"))
    return _from_list(service, items(value, "The body"))


def _from_object(service: Service, value: dict[str, Any]) -> _Asked:
    for name in ("image", "inputs"):
        if name in value and not isinstance(value[name], list):
            return _Asked([_encoded(value[name])])
    for name in ("images", "inputs"):
        if name in value:
            return _from_list(service, items(value[name], f"'{name}'"))
    detail = "Give 'image', 'images' or 'inputs' as base64"
    raise RefusalError(400, "missing_parameter", detail)


def _from_list(service: Service, texts: list[Any]) -> _Asked:
    service.check_count(len(texts))
    return _Asked([_encoded(text) for text in texts], many=True)


def _encoded(text: object) -> Encoded:
    return Encoded(text, JPEG_PNG_WEBP)


DIALECT = Dialect(
    name="Plain",
    about="The shortest way: curl --data-binary @photo.jpg",
    routes=(
        Route(
            method="POST",
            path=PATH,
            handler=classify,
            about="Name the most probable classes of one picture or several.",
            takes={
                "image/jpeg": "<bytes>",
                "image/png": "<bytes>",
                "image/webp": "<bytes>",
                FORM: {"file": "<file>"},
                JSON: {"images": ["<base64>"]},
            },
            query={
                "top": "how many labels, 3 by default",
                "partial": "1 answers the good pictures and gives an error for each bad one",
                "tags": "1 adds the tags that /classify gives",
            },
            answers=_LABELS,
        ),
    ),
    refuse=problem_response,
    prefixes=(),
)
