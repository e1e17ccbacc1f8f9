"""Middleware before every route: request ids, safe headers, counts, log lines, checks of origins.

A page of any site may post a picture to any URL (a simple request needs nobody's leave), and a
name that its owner suddenly points at 127.0.0.1 makes its pages appear to be ours (DNS rebinding).
Programs that are no browsers send none of the headers looked at here, but for Host.
"""

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.errors import HTTPError
from serving.settings import ANY, normal_origin

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one server; nothing here holds a picture, a key or a URL of a client."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        counter = partial(Counter, namespace="sceneset", registry=self.registry)
        histogram = partial(
            Histogram, namespace="sceneset", buckets=_SECONDS, registry=self.registry
        )
        self.requests = counter("requests", "Requests answered", ("method", "route", "status"))
        self.errors = counter("refusals", "Requests and pictures refused", ("route", "reason"))
        self.pictures = counter("pictures", "Pictures answered")
        self.classes = counter("top_class", "Pictures whose first class this is", ("label",))
        self.unknown = counter("unknown", "Pictures for which the tag rule says Unknown")
        self.reloads = counter("reloads", "Looks at a newer model", ("outcome",))
        self.seconds = histogram("request_seconds", "Seconds per request", ("route",))
        self.decode_seconds = histogram("decode_seconds", "Seconds to decode a picture")
        self.infer_seconds = histogram("infer_seconds", "Seconds in the model")
        self.explain_seconds = histogram("explain_seconds", "Seconds to draw a heat map")
        self.wait_seconds = histogram("wait_seconds", "Seconds waited for a thread")
        self.pending = Gauge(
            "sceneset_pending_pictures", "Pictures waiting or at work", registry=self.registry
        )
        self.model = Gauge(
            "sceneset_model_info",
            "The model in service",
            ("name", "version", "sha256"),
            registry=self.registry,
        )

    def text(self, model: tuple[str, str, str], pending: int) -> bytes:
        """Return everything in Prometheus' text format.

        With the name, version and SHA-256 of the model in service, and how many pictures wait or
        are at work.
        """
        self.pending.set(pending)
        self.model.clear()
        self.model.labels(*model).set(1)
        return generate_latest(self.registry)


ACCESS = logging.getLogger("serving.access")
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
UNKNOWN_ROUTE = "(none)"
# In the lifespan's state: an event that is set once the server is about to stop.
STOPPING = "stopping"
_CLOSE = {"Connection": "close"}
# Nothing of an answer may be run, framed or fetched; the page says what it needs itself.
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass
class RequestMiddleware:
    """An ASGI application around the application, which counts into `metrics`.

    `pages` are paths that are routes of their own; `start` tells this server's numbers from another's.
    """

    app: ASGIApp
    metrics: Metrics
    pages: frozenset[str]
    start: str = field(default_factory=partial(secrets.token_hex, 4))
    numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self._request_id(Headers(scope=scope).get("x-request-id"))
        began, statuses = perf_counter(), []
        stopping = scope.get("state", {}).get(STOPPING)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                headers = MutableHeaders(scope=message)
                _add_headers(headers, request_id)
                if stopping is not None and stopping.is_set():
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except asyncio.CancelledError:  # the server stops, and waits for this request no longer
            if not statuses:
                await Response(status_code=503, headers=_CLOSE)(scope, receive, sending)
        finally:
            seconds = perf_counter() - began
            self._count(scope, statuses[0] if statuses else 0, seconds, request_id)

    def _request_id(self, given: str | None) -> str:
        if given and _REQUEST_ID.fullmatch(given):
            return given
        return f"{self.start}{next(self.numbers):08x}"

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # The route's template, never the path: that may hold a key or a name.
        page = scope["path"] if scope["path"] in self.pages else UNKNOWN_ROUTE
        route = getattr(scope.get("route"), "path", page)
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        ACCESS.info("%s %s %d %.1f ms %s", method, route, status, 1000 * seconds, request_id)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", API_POLICY)
    headers.setdefault("Cache-Control", "no-store")


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_origin(method: str, headers: Headers, trusted: Collection[str]) -> None:
    """Refuse what a page of another origin sends: HTTPError (403).

    Safe methods change nothing, and without CORS no such page can read their answers. Else
    Sec-Fetch-Site counts, which no page can forge; browsers leave it out where there is no https.
    There Origin must name the host that the request went to.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if method in _SAFE or ANY in trusted or origin in trusted:
        return
    if site is not None:
        ours = site in {"same-origin", "none"}
    else:
        ours = origin is None or _is_same_host(origin, headers.get("host", ""))
    if not ours:
        raise HTTPError(
            403,
            "foreign_origin",
            "Pages of other origins may not use this server; see --allow-origin",
        )


def check_host(host: str, bound: str, trusted: Collection[str]) -> None:
    """Refuse a name that somebody else may have pointed at this machine: HTTPError (421).

    Nobody else owns an address, `localhost`, a name without dots, the name that the server was
    bound to, or that of a trusted origin.
    """
    name = _name(host)
    known = {"", bound.lower(), *(_name(one.partition("://")[2]) for one in trusted)}
    local = "." not in name or name.endswith(".localhost")
    if not (ANY in trusted or name in known or local or _is_address(name)):
        raise HTTPError(
            421, "foreign_host", "This server is not known by that name; see --allow-origin"
        )


def is_loopback(address: str) -> bool:
    """Say whether an address of a socket is one that only this machine reaches."""
    return _is_address(address) and ip_address(address).is_loopback


@dataclass(frozen=True)
class OriginMiddleware:
    """An ASGI application that lets through what the two checks let through.

    Hosts are checked where a connection came over loopback, unless `bound` is None.
    """

    app: ASGIApp
    bound: str | None
    trusted: Collection[str]
    error_response: Callable[[str, HTTPError], Response]
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["type"] == "http":
                self._check(scope)
        except HTTPError as error:
            self.metrics.errors.labels(UNKNOWN_ROUTE, error.reason).inc()
            await self.error_response(scope["path"], error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        address = (scope.get("server") or ("",))[0]
        if self.bound is not None and is_loopback(address):
            check_host(headers.get("host", ""), self.bound, self.trusted)
        check_origin(scope["method"], headers, self.trusted)


def _is_same_host(origin: str, host: str) -> bool:
    """Say whether an origin is that of the host; the scheme may be another behind a proxy."""
    scheme = origin.partition("://")[0]
    try:
        return normal_origin(origin) == normal_origin(f"{scheme}://{host}")
    except ValueError:
        return False


def _name(netloc: str) -> str:
    """Return the name or address of `name:port` or `[address]:port`, in lower case."""
    bracketed, bracket, _ = netloc.partition("]")
    name = bracketed.removeprefix("[") if bracket else netloc.rpartition(":")[0] or netloc
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
