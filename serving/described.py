"""Answer `/docs` and `/openapi.json`: every route, described for the model in service."""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.bundle import ServedModel
from serving.dialects.contract import Dialect, json_response
from serving.docs_page import docs_page
from serving.examples import Facts, fill_dialects
from serving.front import PAGE_POLICY
from serving.schema import openapi_schema
from serving.service import Service

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
