"""State what a client contract is: routes, their handlers, their schemas, the shape of its errors."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError
from serving.inference.service import Service

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ANYTHING: Schema = {}
PICTURE: Schema = {
    "type": "string",
    "format": "byte",
    "minLength": 1,
    "description": "a picture's file as base64, or a data URI of it",
}
# How the query says yes and no.
SWITCH: Schema = {"type": "string", "enum": ["1", "0", "true", "false", ""]}
WHOLE_NUMBER: Schema = {"type": "string", "pattern": "^0*[1-9][0-9]{0,8}$"}


def list_of(items: Schema, **limits: int) -> Schema:
    """Return the schema of a list; `limits` are minItems and maxItems."""
    return {"type": "array", "items": items, **limits}


def object_of(needed: Mapping[str, Schema], more: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object with the names it needs and more that it may have."""
    schema: Schema = {"type": "object", "properties": {**needed, **(more or {})}}
    return schema | ({"required": list(needed)} if needed else {})


def one_of_these(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several, or more than one of them."""
    return {"anyOf": list(schemas)}


def shape_of(example: object) -> Schema:
    """Return the schema that an example fits: the same names and types; null stands for anything.

    The first of a list stands for all.
    """
    if isinstance(example, Mapping):
        return object_of({str(name): shape_of(one) for name, one in example.items()})
    if isinstance(example, list):
        return list_of(shape_of(example[0])) if example else {"type": "array"}
    if example is None:
        return ANYTHING
    kinds = {bool: "boolean", str: "string"}
    return {"type": kinds.get(type(example), "number")}


Handler = Callable[[Service, Request], Awaitable[Response]]
JSON = "application/json"
# One red px as PNG: a picture that every contract takes.
EXAMPLE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4oCAAAAMkASGPh8EWAAAAAElFTkSuQmCC"
)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One URL: what it takes, by media type with an example each, and what it answers.

    `required` are the names in `query` that it does not do without, `words` the JSON Schemas of
    those that are no plain text; `examples` are answers by the request, where there is more than
    one shape. `takes_json` and `gives` are the JSON Schemas of a JSON body and of the answer; the
    latter is by default that of `answers`. `errors` are statuses besides those that every such
    route may answer, `also` those that carry an answer all the same. A route that is not `listed`
    only answers with errors, and is described nowhere.

    Texts and examples may hold the names of `serving.pages.ModelFacts` in braces.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str
    handler: Handler
    about: str
    takes: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    words: Mapping[str, Schema] = field(default_factory=dict)
    takes_json: Schema | None = None
    answers: Any = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    gives: Schema | None = None
    errors: frozenset[int] = frozenset()
    also: frozenset[int] = frozenset()
    answers_as: str = JSON
    needs_key: bool = True
    listed: bool = True


@dataclass(frozen=True, kw_only=True)
class ClientProtocol:
    """One client contract; paths below its prefixes get its shape of errors too."""

    name: str
    about: str
    routes: tuple[Route, ...]
    error_response: Callable[[HTTPError], Response]
    prefixes: tuple[str, ...]


def json_response(
    value: object, status: int = 200, *, media_type: str = JSON, error: HTTPError | None = None
) -> Response:
    """Return a value as strict UTF-8 JSON; an error's status and headers with its body."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half of a surrogate pair is valid JSON text and no valid UTF-8.
    body = text.encode("utf-8", "replace")
    if error is None:
        return Response(body, status, media_type=media_type)
    return Response(body, error.status, dict(error.headers), media_type)


def always(value: object) -> Handler:
    """Return a handler that gives every request the same answer."""

    async def answer(_service: Service, _request: Request) -> Response:
        return json_response(value)

    return answer


def index_of(error: HTTPError) -> dict[str, int]:
    """Return which picture of the request an error is about; nothing when it is about all."""
    return {} if error.index is None else {"index": error.index}


def error_response(error: HTTPError) -> Response:
    """Return an error as `{"error": words}`, as several contracts have it."""
    picture = "" if error.index is None else f" (picture {error.index})"
    return json_response({"error": error.detail + picture}, error=error)


def problem_response(error: HTTPError) -> Response:
    """Return an error as problem+json (RFC 9457)."""
    problem = {
        "type": "about:blank",
        "title": error.reason.replace("_", " "),
        "status": error.status,
        "detail": error.detail,
        **index_of(error),
    }
    return json_response(problem, media_type="application/problem+json", error=error)


def short_text(value: object, longest: int = 255) -> str:
    """Return a name that a client gave as short text without control characters."""
    text = str(value) if isinstance(value, str | int) else ""
    return "".join(c for c in text[:longest] if c.isprintable())
