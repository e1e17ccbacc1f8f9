"""Describe every route as OpenAPI, from the routes themselves. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from serving.http.errors import RefusalError
from serving.protocols.contract import JSON, TEXT, Dialect, Route, object_of, shape_of

# What any route refuses, what those with a key or a name in the address do, and those with a body.
_WORDS = {
    400: "What was sent cannot be read",
    401: "No valid key was sent",
    403: "A page of another origin sent it",
    404: "Nothing is at this address; where it names a model, another one is served",
    408: "The body did not arrive in time",
    409: "The model in service has no files that draw heat maps",
    413: "A body, a picture, or their number is over the limit",
    415: "The body is of another type",
    421: "The server is not known by the name that it was asked by",
    503: "No room at the moment, or the server is stopping",
    504: "No answer in time",
}
_BYTES = {"type": "string", "format": "binary"}
_FORM = "multipart/form-data"
_PARAMETER = re.compile(r"{(\w+)}")


def operation(route: Route, dialect: Dialect, *, keys: bool) -> dict[str, Any]:
    """Return a route's OpenAPI operation."""
    names = _PARAMETER.findall(route.path)
    parameters = [_parameter(name, "path", "", TEXT, required=True) for name in names]
    parameters += [
        _parameter(name, "query", about, words, required=name in route.required)
        for name, about in route.query.items()
        for words in (route.words.get(name, TEXT),)
    ]
    told: dict[str, Any] = {
        "summary": route.about,
        "operationId": _operation_id(route),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Answered", "content": _content(route)},
            **{
                str(status): _refusal(route, dialect, status)
                for status in _refusals(route, keys=keys)
            },
        },
    }
    if route.takes:
        content = {kind: _taken(route, kind, example) for kind, example in route.takes.items()}
        told["requestBody"] = {"required": True, "content": content}
    if keys and route.needs_key:
        told["security"] = [{"ApiKey": []}, {"Bearer": []}, {"PlatformKey": []}]
    return told


def security_schemes() -> dict[str, Any]:
    """Return the three ways to send a key."""
    return {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "PlatformKey": {"type": "apiKey", "in": "header", "name": "Cnvrg-Api-Key"},
        "Bearer": {"type": "http", "scheme": "bearer"},
    }


def _content(route: Route) -> dict[str, Any]:
    if route.answers_as.startswith("image/"):
        return {route.answers_as: {"schema": _BYTES}}
    if route.answers_as != JSON:
        return {route.answers_as: {"schema": TEXT}}
    schema = route.gives or shape_of(route.answers)
    if route.examples:
        examples = {name: {"value": value} for name, value in route.examples.items()}
        return {route.answers_as: {"schema": schema, "examples": examples}}
    return {route.answers_as: {"schema": schema, "example": route.answers}}


def _refusals(route: Route, *, keys: bool) -> list[int]:
    """Return the statuses that a route may refuse with, in their order."""
    found = {421, *route.refusals, *route.also}
    found |= {404} if "{" in route.path else set()
    found |= {401} if keys and route.needs_key else set()
    found |= {400, 403, 408, 413, 503, 504} if route.method == "POST" else set()
    found |= {415} if _FORM in route.takes else set()
    return sorted(found)


def _refusal(route: Route, dialect: Dialect, status: int) -> dict[str, Any]:
    """Return a refusal's type, schema and example, made by what makes the real ones."""
    told = {"description": _WORDS[status]}
    if status in route.also:
        return told | {"content": _content(route)}
    plain = RefusalError(status, "bad_format", _WORDS[status])
    kind, example = _refused(dialect, plain)
    _, indexed = _refused(dialect, plain.at(0))
    more = {name: shape_of(indexed[name]) for name in indexed if name not in example}
    needed = {name: shape_of(value) for name, value in example.items()}
    return told | {"content": {kind: {"schema": object_of(needed, more), "example": example}}}


def _refused(dialect: Dialect, refusal: RefusalError) -> tuple[str, dict[str, Any]]:
    answer = dialect.refuse(refusal)
    return answer.headers["content-type"].partition(";")[0], json.loads(bytes(answer.body))


def _taken(route: Route, kind: str, example: object) -> dict[str, Any]:
    if isinstance(example, str):
        return {"schema": _BYTES}
    if kind == JSON:
        return {"schema": route.takes_json or shape_of(example), "example": example}
    fields: Mapping[str, Any] = example if isinstance(example, Mapping) else {}
    return {"schema": object_of(dict.fromkeys(fields, _BYTES))}


def _parameter(
    name: str, place: str, about: str, schema: Mapping[str, Any], *, required: bool
) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "in": place, "required": required}
    return told | {"description": about, "schema": schema}


def _operation_id(route: Route) -> str:
    words = re.sub(r"\W+", "_", route.path).strip("_")
    slash = "_slash" if route.path.endswith("/") else ""
    return f"{route.method.lower()}_{words}{slash}"


VERSION = "3.1.0"


def openapi_schema(title: str, dialects: Sequence[Dialect], *, keys: bool) -> dict[str, Any]:
    """Return the document as JSON values; `keys` says whether the routes ask for a key."""
    paths: dict[str, dict[str, Any]] = {}
    for dialect in dialects:
        for route in dialect.routes:
            told = {"tags": [dialect.name], **operation(route, dialect, keys=keys)}
            paths.setdefault(route.path, {})[route.method.lower()] = told
    schema: dict[str, Any] = {"openapi": VERSION, "info": {"title": title, "version": "1"}}
    schema["paths"] = paths
    if keys:
        schema["components"] = {"securitySchemes": security_schemes()}
    return schema
