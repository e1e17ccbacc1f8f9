"""Describe every route as a page without scripts, with a line of curl per contract."""

import html
import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from serving.docs.openapi import openapi_schema
from serving.http.middleware import PAGE_POLICY
from serving.inference.model import ServedModel
from serving.inference.service import Service
from serving.protocols.asked import FORM
from serving.protocols.contract import JSON, Dialect, Route, json_response


@dataclass(frozen=True)
class Facts:
    """The model in service: its name, version, count of classes, first class, and side in px."""

    name: str
    version: str
    classes: int
    label: str
    size: int


_NAMES = re.compile(r"{(name|version|classes|label|size)}")


def fill(value: Any, facts: Facts) -> Any:  # noqa: ANN401  any JSON value
    """Return a text or an example with the facts that it names in braces.

    A text that is one name alone becomes the fact itself, so a number where it is one.
    """
    if isinstance(value, str):
        told = asdict(facts)
        alone = _NAMES.fullmatch(value)
        return told[alone[1]] if alone else _NAMES.sub(lambda found: str(told[found[1]]), value)
    if isinstance(value, Mapping):
        return {name: fill(one, facts) for name, one in value.items()}
    return [fill(one, facts) for one in value] if isinstance(value, list) else value


def fill_dialects(dialects: Sequence[Dialect], facts: Facts) -> tuple[Dialect, ...]:
    """Return the contracts with their listed routes, described for one model.

    Addresses stay templates.
    """
    return tuple(
        replace(
            dialect,
            about=fill(dialect.about, facts),
            routes=tuple(_filled(route, facts) for route in dialect.routes if route.listed),
        )
        for dialect in dialects
    )


def _filled(route: Route, facts: Facts) -> Route:
    return replace(
        route,
        about=fill(route.about, facts),
        takes=fill(route.takes, facts),
        answers=fill(route.answers, facts),
        examples=fill(route.examples, facts),
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of {title}</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/page.css">
<main class="docs">
<h1>API of {title}</h1>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. {words}</p>
{sections}
</main>
</html>
"""
_KEY = ' -H "X-API-Key: $KEY"'


def docs_page(
    dialects: Sequence[Dialect], facts: Facts, *, title: str, address: str, keys: bool
) -> str:
    """Return the documentation as one page of plain HTML.

    `address` is where the server is asked, as http://127.0.0.1:8000; `keys` says whether the
    routes ask for a key.
    """
    sections = (
        _section(dialect, facts, address, _KEY if keys else "")
        for dialect in fill_dialects(dialects, facts)
    )
    words = "In the lines to try, photo.jpg is a picture of yours."
    if keys:
        words = f"Requests need a key: the header X-API-Key. {words}"
    return _PAGE.format(title=html.escape(title), sections="\n".join(sections), words=words)


def curl_line(routes: Sequence[Route], facts: Facts, address: str, key: str = "") -> str:
    """Return a shell's line that asks the first route that takes something, or else the first."""
    route = next((route for route in routes if route.method == "POST"), routes[0])
    path = quote(_path(route, facts).replace("{slug}", facts.name), safe="/:")
    asked = "&".join(
        f"{name}={quote(facts.label, safe='')}" for name in route.query if name in route.required
    )
    url = shlex.quote(f"{address}{path}{'?' if asked else ''}{asked}")
    return f"curl{key}{_sent(route.takes)} {url}"


def _sent(takes: Mapping[str, object]) -> str:
    if any(kind.startswith("image/") for kind in takes):
        return " --data-binary @photo.jpg"
    if JSON in takes:
        return f" -H 'Content-Type: {JSON}' -d {shlex.quote(json.dumps(takes[JSON]))}"
    form = takes.get(FORM)
    names = form if isinstance(form, Mapping) else ()
    return "".join(f" -F {name}=@photo.jpg" for name in names)


def _path(route: Route, facts: Facts) -> str:
    return str(fill(route.path, facts))


def _section(dialect: Dialect, facts: Facts, address: str, key: str) -> str:
    routes = "\n".join(_described(route, facts) for route in dialect.routes)
    line = html.escape(curl_line(dialect.routes, facts, address, key), quote=False)
    return (
        f"<section>\n<h2>{html.escape(dialect.name)}</h2>\n<p>{html.escape(dialect.about)}</p>\n"
        f"<p>Try: <code>{line}</code></p>\n{routes}\n</section>"
    )


def _described(route: Route, facts: Facts) -> str:
    lines = [f"<h3><code>{route.method} {html.escape(_path(route, facts))}</code></h3>"]
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


Page = Callable[[Request], Awaitable[Response]]


def description_routes(
    service: Service, dialects: Sequence[Dialect], *, keys: bool
) -> dict[str, Page]:
    """Return the two pages by their address; `keys` says whether the routes ask for a key."""
    title = f"sceneset: {service.model.name}"

    # A newer model has other facts; what is asked for again is not made again.
    @lru_cache(maxsize=4)
    def docs(facts: Facts, address: str) -> bytes:
        return docs_page(dialects, facts, title=title, address=address, keys=keys).encode()

    @lru_cache(maxsize=1)
    def schema(facts: Facts) -> dict[str, Any]:
        return openapi_schema(title, fill_dialects(dialects, facts), keys=keys)

    async def show_docs(request: Request) -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY}
        page = docs(facts_of(service.model), str(request.base_url).rstrip("/"))
        return Response(page, headers=headers, media_type="text/html")

    async def show_schema(request: Request) -> Response:
        prefix = str(request.scope.get("root_path", "")).rstrip("/")
        told = schema(facts_of(service.model))
        return json_response(told | ({"servers": [{"url": prefix}]} if prefix else {}))

    return {"/openapi.json": show_schema, "/docs": show_docs}


def facts_of(model: ServedModel) -> Facts:
    """Return what the descriptions say of a model."""
    names = model.class_names
    return Facts(model.name, model.version, len(names), names[0], model.size)
