"""Stand before every route: request ids, safe headers, counts, log lines."""

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one server; nothing here holds a picture, a key or an address of a client."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "requests", "Requests answered", ("method", "route", "status")
        )
        self.refused = self._counter(
            "refusals", "Requests and pictures refused", ("route", "reason")
        )
        self.pictures = self._counter("pictures", "Pictures answered", ())
        self.classes = self._counter("top_class", "Pictures whose first class this is", ("label",))
        self.unknown = self._counter("unknown", "Pictures for which the tag rule says Unknown", ())
        self.reloads = self._counter("reloads", "Looks at a newer model", ("outcome",))
        self.seconds = self._histogram("request_seconds", "Seconds per request", ("route",))
        self.decode_seconds = self._histogram("decode_seconds", "Seconds to decode a picture", ())
        self.infer_seconds = self._histogram("infer_seconds", "Seconds in the model", ())
        self.explain_seconds = self._histogram("explain_seconds", "Seconds to draw a heat map", ())
        self.wait_seconds = self._histogram("wait_seconds", "Seconds waited for a thread", ())
        self.pending = Gauge(
            "sceneset_pending_pictures", "Pictures waiting or at work", registry=self.registry
        )
        self.model = Gauge(
            "sceneset_model_info",
            "The model in service",
            ("name", "version", "sha256"),
            registry=self.registry,
        )

    def show_model(self, name: str, version: str, sha256: str) -> None:
        """Say which model is in service."""
        self.model.clear()
        self.model.labels(name, version, sha256).set(1)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"sceneset_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(
            f"sceneset_{name}", about, labels, buckets=_SECONDS, registry=self.registry
        )


ACCESS = logging.getLogger("serving.access")
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
UNKNOWN_ROUTE = "(none)"
# In the lifespan's state: an event that is set once the server is about to end.
ENDING = "ending"
_CLOSE = {"Connection": "close"}
# Nothing of an answer may be run, framed or fetched; the page says what it needs itself.
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Front:
    """An ASGI application around the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, pages: frozenset[str]) -> None:
        """Count into `metrics`; `pages` are addresses that are routes of their own."""
        self._app = app
        self._metrics = metrics
        self._pages = pages
        self._start = secrets.token_hex(4)  # tells this server's numbers from another's
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._request_id(Headers(scope=scope).get("x-request-id"))
        began, statuses = perf_counter(), []
        ending = scope.get("state", {}).get(ENDING)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                headers = MutableHeaders(scope=message)
                _add_headers(headers, request_id)
                if ending is not None and ending.is_set():
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:  # the server ends, and waits for this request no longer
            if not statuses:
                await Response(status_code=503, headers=_CLOSE)(scope, receive, sending)
        finally:
            seconds = perf_counter() - began
            self._count(scope, statuses[0] if statuses else 0, seconds, request_id)

    def _request_id(self, given: str | None) -> str:
        if given and _REQUEST_ID.fullmatch(given):
            return given
        return f"{self._start}{next(self._numbers):08x}"

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # The route's template, never the address: that may hold a key or a name.
        page = scope["path"] if scope["path"] in self._pages else UNKNOWN_ROUTE
        route = getattr(scope.get("route"), "path", page)
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        ACCESS.info("%s %s %d %.1f ms %s", method, route, status, 1000 * seconds, request_id)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", API_POLICY)
    headers.setdefault("Cache-Control", "no-store")


_FOLDER = Path(__file__).resolve().parents[1] / "page"
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
