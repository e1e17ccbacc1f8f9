"""Describe every route as OpenAPI and as a page without scripts, from the routes themselves."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from serving.dialects.contract import JSON, Dialect, Route
from serving.refusal import RefusalError

_PARAMETER = re.compile(r"{(\w+)}")
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of {title}</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/page.css">
<main class="docs">
<h1>API of {title}</h1>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. {keys}</p>
{sections}
</main>
</html>
"""


def operation(route: Route, dialect: Dialect, *, keys: bool) -> dict[str, Any]:
    """Return a route's OpenAPI operation beyond what its function says."""
    names = _PARAMETER.findall(route.path)
    parameters = [_parameter(name, "path", "", required=True) for name in names]
    parameters += [
        _parameter(name, "query", about, required=name in route.required)
        for name, about in route.query.items()
    ]
    told: dict[str, Any] = {
        "summary": route.about,
        "operationId": _operation_id(route),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Answered", "content": _content(route)},
            "default": {
                "description": f"Refused, in the shape of {dialect.name}",
                "content": _refused(dialect),
            },
        },
    }
    if route.takes:
        content = {kind: _schema(kind, example) for kind, example in route.takes.items()}
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


def docs_page(title: str, dialects: Sequence[Dialect], *, keys: bool) -> str:
    """Return the documentation as one page of plain HTML."""
    sections = "\n".join(_section(dialect) for dialect in dialects)
    words = "Requests need a key: the header X-API-Key." if keys else ""
    return _PAGE.format(title=html.escape(title), sections=sections, keys=words)


def _section(dialect: Dialect) -> str:
    routes = "\n".join(_described(route) for route in dialect.routes)
    about = html.escape(dialect.about)
    return f"<section>\n<h2>{html.escape(dialect.name)}</h2>\n<p>{about}</p>\n{routes}\n</section>"


def _described(route: Route) -> str:
    lines = [f"<h3><code>{route.method} {html.escape(route.path)}</code></h3>"]
    lines.append(f"<p>{html.escape(route.about)}</p>")
    for name, about in route.query.items():
        needed = " (required)" if name in route.required else ""
        lines.append(f"<p><code>?{name}</code>{needed} {html.escape(about)}</p>")
    for kind, example in route.takes.items():
        lines.append(f"<p>Takes {kind}: <code>{html.escape(_text(example))}</code></p>")
    if route.answers is None and route.answers_as != JSON:
        lines.append(f"<p>Answers {route.answers_as}</p>")
    if route.answers is not None:
        lines.append(f"<p>Answers <code>{html.escape(_text(route.answers))}</code></p>")
    for asked, example in route.examples.items():
        told = f"<code>{html.escape(_text(example))}</code>"
        lines.append(f"<p>Answers, {html.escape(asked)}: {told}</p>")
    return "\n".join(lines)


def _text(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)


def _content(route: Route) -> dict[str, Any]:
    if route.answers_as.startswith("image/"):
        return {route.answers_as: _schema(route.answers_as, "<bytes>")}
    if route.examples:
        examples = {name: {"value": value} for name, value in route.examples.items()}
        return {route.answers_as: {"examples": examples}}
    return {route.answers_as: {} if route.answers is None else {"example": route.answers}}


def _refused(dialect: Dialect) -> dict[str, Any]:
    """Return the type and an example of a refusal, made by what makes the real ones."""
    answer = dialect.refuse(RefusalError(400, "bad_format", "Why the request is refused"))
    kind = answer.headers["content-type"].partition(";")[0]
    text = bytes(answer.body).decode()
    return {kind: {"example": json.loads(text) if kind.endswith("json") else text}}


def _schema(kind: str, example: object) -> dict[str, Any]:
    if isinstance(example, str):
        return {"schema": {"type": "string", "format": "binary"}}
    if kind == JSON:
        return {"schema": {}, "example": example}
    fields: Mapping[str, Any] = example if isinstance(example, Mapping) else {}
    properties = {name: {"type": "string", "format": "binary"} for name in fields}
    return {"schema": {"type": "object", "properties": properties, "required": list(fields)}}


def _parameter(name: str, place: str, about: str, *, required: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "in": place, "required": required}
    return told | {"description": about, "schema": {"type": "string"}}


def _operation_id(route: Route) -> str:
    words = re.sub(r"\W+", "_", route.path).strip("_")
    slash = "_slash" if route.path.endswith("/") else ""
    return f"{route.method.lower()}_{words}{slash}"
