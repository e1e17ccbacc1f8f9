"""Make the pages: /openapi.json and /docs from the routes themselves, and the page at `/`."""

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from sceneset.files.heic import is_installed
from serving.http.body import FORM
from serving.http.errors import HTTPError
from serving.http.middleware import PAGE_POLICY
from serving.inference.model import ServedModel
from serving.inference.service import Service
from serving.protocols.contract import (
    JSON,
    TEXT,
    ClientProtocol,
    Route,
    json_response,
    object_of,
    shape_of,
)


@dataclass(frozen=True)
class ModelFacts:
    """The model in service: its name, version, count of classes, first class, and side in px."""

    name: str
    version: str
    classes: int
    label: str
    size: int


_NAMES = re.compile(r"{(name|version|classes|label|size)}")
_FILLED = ("about", "takes", "answers", "examples")


def fill(value: Any, facts: ModelFacts) -> Any:  # noqa: ANN401  any JSON value
    """Return a text or an example with the facts that it names in braces.

    A text that is one name alone becomes the fact itself, so a number where it is one.
    """
    if isinstance(value, str):
        known = asdict(facts)
        alone = _NAMES.fullmatch(value)
        return known[alone[1]] if alone else _NAMES.sub(lambda name: str(known[name[1]]), value)
    if isinstance(value, Mapping):
        return {name: fill(one, facts) for name, one in value.items()}
    return [fill(one, facts) for one in value] if isinstance(value, list) else value


def fill_protocols(
    protocols: Sequence[ClientProtocol], facts: ModelFacts
) -> tuple[ClientProtocol, ...]:
    """Return the contracts with their listed routes, described for one model.

    Paths stay templates.
    """
    return tuple(
        replace(
            protocol,
            about=fill(protocol.about, facts),
            routes=tuple(
                replace(route, **{name: fill(getattr(route, name), facts) for name in _FILLED})
                for route in protocol.routes
                if route.listed
            ),
        )
        for protocol in protocols
    )


# Errors of any route, of those with a key or a name in the path, and of those with a body.
_ERROR_WORDS = {
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
# The three ways to send a key.
_SECURITY_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "PlatformKey": {"type": "apiKey", "in": "header", "name": "Cnvrg-Api-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
_PARAMETER = re.compile(r"{(\w+)}")


def operation(route: Route, protocol: ClientProtocol, *, keys: bool) -> dict[str, Any]:
    """Return a route's OpenAPI operation."""
    names = _PARAMETER.findall(route.path)
    parameters = [_parameter(name, "path", "", TEXT, required=True) for name in names]
    parameters += [
        _parameter(name, "query", about, words, required=name in route.required)
        for name, about in route.query.items()
        for words in (route.words.get(name, TEXT),)
    ]
    described: dict[str, Any] = {
        "summary": route.about,
        "operationId": _operation_id(route),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Answered", "content": _content(route)},
            **{
                str(status): _described_error(route, protocol, status)
                for status in _error_statuses(route, keys=keys)
            },
        },
    }
    if route.takes:
        content = {kind: _taken(route, kind, example) for kind, example in route.takes.items()}
        described["requestBody"] = {"required": True, "content": content}
    if keys and route.needs_key:
        described["security"] = [{"ApiKey": []}, {"Bearer": []}, {"PlatformKey": []}]
    return described


def _content(route: Route) -> dict[str, Any]:
    if route.answers_as.startswith("image/"):
        return {route.answers_as: {"schema": _BYTES}}
    if route.answers_as != JSON:
        return {route.answers_as: {"schema": TEXT}}
    schema = route.gives or shape_of(route.answers)
    examples = {name: {"value": value} for name, value in route.examples.items()}
    example = {"examples": examples} if examples else {"example": route.answers}
    return {route.answers_as: {"schema": schema, **example}}


def _error_statuses(route: Route, *, keys: bool) -> list[int]:
    """Return the statuses of the errors that a route may answer with, in their order."""
    statuses = {421, *route.errors, *route.also}
    statuses |= {404} if "{" in route.path else set()
    statuses |= {401} if keys and route.needs_key else set()
    statuses |= {400, 403, 408, 413, 503, 504} if route.method == "POST" else set()
    statuses |= {415} if FORM in route.takes else set()
    return sorted(statuses)


def _described_error(route: Route, protocol: ClientProtocol, status: int) -> dict[str, Any]:
    """Return an error's type, schema and example, made by what makes the real ones."""
    described = {"description": _ERROR_WORDS[status]}
    if status in route.also:
        return described | {"content": _content(route)}
    answer = protocol.error_response(HTTPError(status, "bad_format", _ERROR_WORDS[status]))
    kind, example = answer.headers["content-type"].partition(";")[0], json.loads(bytes(answer.body))
    error = HTTPError(status, "bad_format", _ERROR_WORDS[status], index=0)
    indexed = json.loads(bytes(protocol.error_response(error).body))
    more = {name: shape_of(indexed[name]) for name in indexed if name not in example}
    needed = {name: shape_of(value) for name, value in example.items()}
    content = {kind: {"schema": object_of(needed, more), "example": example}}
    return described | {"content": content}


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
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": about,
        "schema": schema,
    }


def _operation_id(route: Route) -> str:
    words = re.sub(r"\W+", "_", route.path).strip("_")
    slash = "_slash" if route.path.endswith("/") else ""
    return f"{route.method.lower()}_{words}{slash}"


def openapi_schema(
    title: str, protocols: Sequence[ClientProtocol], *, keys: bool
) -> dict[str, Any]:
    """Return the document as JSON values; `keys` says whether the routes ask for a key."""
    paths: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        for route in protocol.routes:
            described = {"tags": [protocol.name], **operation(route, protocol, keys=keys)}
            paths.setdefault(route.path, {})[route.method.lower()] = described
    components = {"components": {"securitySchemes": _SECURITY_SCHEMES}} if keys else {}
    info = {"title": title, "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, **components}


_FOLDER = Path(__file__).resolve().parent / "page"
_KEY = ' -H "X-API-Key: $KEY"'


def docs_page(
    protocols: Sequence[ClientProtocol], facts: ModelFacts, *, title: str, base_url: str, keys: bool
) -> str:
    """Return the documentation as one page of plain HTML.

    `base_url` is where the server answers, as http://127.0.0.1:8000; `keys` says whether the
    routes ask for a key.
    """
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  only this page needs it

    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    key = _KEY if keys else ""
    environment.filters |= {
        "fill": lambda path: fill(path, facts),
        "curl": lambda routes: curl_line(routes, facts, base_url, key),
        "text": _text,
    }
    described = fill_protocols(protocols, facts)
    return environment.get_template("docs.html").render(title=title, keys=keys, protocols=described)


def curl_line(routes: Sequence[Route], facts: ModelFacts, base_url: str, key: str = "") -> str:
    """Return a shell's line that asks the first route that takes something, or else the first."""
    route = next((route for route in routes if route.method == "POST"), routes[0])
    path = quote(fill(route.path, facts).replace("{slug}", facts.name), safe="/:")
    query = "&".join(
        f"{name}={quote(facts.label, safe='')}" for name in route.query if name in route.required
    )
    url = shlex.quote(f"{base_url}{path}{'?' if query else ''}{query}")
    return f"curl{key}{_sent(route.takes)} {url}"


def _sent(takes: Mapping[str, object]) -> str:
    if any(kind.startswith("image/") for kind in takes):
        return " --data-binary @photo.jpg"
    if JSON in takes:
        return f" -H 'Content-Type: {JSON}' -d {shlex.quote(json.dumps(takes[JSON]))}"
    form = takes.get(FORM)
    names = form if isinstance(form, Mapping) else ()
    return "".join(f" -F {name}=@photo.jpg" for name in names)


def _text(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)


Page = Callable[[Request], Awaitable[Response]]


def description_routes(
    service: Service, protocols: Sequence[ClientProtocol], *, keys: bool
) -> dict[str, Page]:
    """Return the two pages by their path; `keys` says whether the routes ask for a key."""
    title = f"sceneset: {service.model.name}"

    # A newer model has other facts; what is requested again is not made again.
    @lru_cache(maxsize=4)
    def docs(facts: ModelFacts, base_url: str) -> bytes:
        return docs_page(protocols, facts, title=title, base_url=base_url, keys=keys).encode()

    @lru_cache(maxsize=1)
    def schema(facts: ModelFacts) -> dict[str, Any]:
        return openapi_schema(title, fill_protocols(protocols, facts), keys=keys)

    async def show_docs(request: Request) -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY}
        page = docs(model_facts(service.model), str(request.base_url).rstrip("/"))
        return Response(page, headers=headers, media_type="text/html")

    async def show_schema(request: Request) -> Response:
        prefix = str(request.scope.get("root_path", "")).rstrip("/")
        described = schema(model_facts(service.model))
        return json_response(described | ({"servers": [{"url": prefix}]} if prefix else {}))

    return {"/openapi.json": show_schema, "/docs": show_docs}


def model_facts(model: ServedModel) -> ModelFacts:
    """Return what the descriptions say of a model."""
    names = model.class_names
    return ModelFacts(model.name, model.version, len(names), names[0], model.size)


START = "index.html"
_TYPES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def page_routes(*, with_start: bool) -> dict[str, Response]:
    """Return what stands at each path: `/` and the files below `/page/`."""
    names = [name for name in _TYPES if name != START]
    routes = {f"/page/{name}": _page(name) for name in names}
    return routes | {"/": _page(START)} if with_start else routes


def _page(name: str) -> Response:
    data = (_FOLDER / name).read_bytes()
    if is_installed():  # a phone makes a JPEG of its HEIC for a page that does not list it
        data = data.replace(b"image/bmp", b"image/bmp,image/heic,image/heif")
        data = data.replace(b"GIF or BMP", b"GIF, BMP or HEIC")
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return Response(data, headers=headers, media_type=_TYPES[name])
