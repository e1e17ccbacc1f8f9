"""Stand before every route: request ids, safe headers, counts, and one log line per request."""

import asyncio
import itertools
import logging
import re
import secrets
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics

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
