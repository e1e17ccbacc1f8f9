"""Serve the page's few files from memory."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from serving.front import PAGE_POLICY

_FOLDER = Path(__file__).resolve().parent / "page"
START = "index.html"
_TYPES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
Page = Callable[[Request], Awaitable[Response]]


def page_routes(*, with_start: bool) -> dict[str, Page]:
    """Return what stands at each address: `/` and the files below `/page/`."""
    names = [name for name in _TYPES if name != START]
    routes = {f"/page/{name}": _page(name) for name in names}
    return routes | {"/": _page(START)} if with_start else routes


def _page(name: str) -> Page:
    data = (_FOLDER / name).read_bytes()
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}

    async def page(_request: Request) -> Response:
        return Response(data, headers=headers, media_type=_TYPES[name])

    return page
