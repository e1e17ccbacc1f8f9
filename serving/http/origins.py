"""Keep pages of other sites from using the server through the browser of whoever looks at them.

A page of any site may post a picture to any address (a simple request needs nobody's leave), and a
name that its owner suddenly points at 127.0.0.1 makes its pages appear to be ours (DNS rebinding).
Programs that are no browsers send none of the headers looked at here, but for Host.
"""

from collections.abc import Callable, Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import RefusalError
from serving.http.middleware import Metrics
from serving.settings import ANY

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}


def check_origin(method: str, headers: Headers, trusted: Collection[str]) -> None:
    """Refuse what a page of another origin sends: RefusalError (403).

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
        ours = origin is None or _names(origin, headers.get("host", ""))
    if not ours:
        detail = "Pages of other origins may not use this server; see --allow-origin"
        raise RefusalError(403, "foreign_origin", detail)


def check_host(host: str, bound: str, trusted: Collection[str]) -> None:
    """Refuse a name that somebody else may have pointed at this machine: RefusalError (421).

    Nobody else owns an address, `localhost`, a name without dots, the name that the server was
    bound to, or that of a trusted origin.
    """
    name = _name(host)
    known = {"", bound.lower(), *(_name(_netloc(one)[1]) for one in trusted)}
    local = "." not in name or name.endswith(".localhost")
    if not (ANY in trusted or name in known or local or _is_address(name)):
        detail = "This server is not known by that name; see --allow-origin"
        raise RefusalError(421, "foreign_host", detail)


def is_loopback(address: str) -> bool:
    """Say whether an address of a socket is one that only this machine reaches."""
    return _is_address(address) and ip_address(address).is_loopback


class Gate:
    """An ASGI application that lets through what the two checks let through."""

    def __init__(
        self,
        app: ASGIApp,
        bound: str | None,
        trusted: Collection[str],
        refused: Callable[[str, RefusalError], Response],
        metrics: Metrics,
    ) -> None:
        """Check hosts where a connection came over loopback, unless `bound` is None."""
        self._app = app
        self._bound = bound
        self._trusted = trusted
        self._refused = refused
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["type"] == "http":
                self._check(scope)
        except RefusalError as refusal:
            self._metrics.refused.labels("(none)", refusal.reason).inc()
            await self._refused(scope["path"], refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        address = (scope.get("server") or ("",))[0]
        if self._bound is not None and is_loopback(address):
            check_host(headers.get("host", ""), self._bound, self._trusted)
        check_origin(scope["method"], headers, self._trusted)


def _names(origin: str, host: str) -> bool:
    """Say whether an origin is that of the host; the scheme may end at a proxy before us."""
    scheme, netloc = _netloc(origin)
    default = _PORTS.get(scheme)
    return bool(netloc) and _without(netloc, default) == _without(host, default)


def _netloc(origin: str) -> tuple[str, str]:
    """Return an origin's scheme and `host:port`; both empty for `null` and what is no origin."""
    scheme, sign, netloc = origin.partition("://")
    return (scheme.lower(), netloc) if sign else ("", "")


def _without(netloc: str, port: int | None) -> str:
    return netloc.lower().removesuffix(f":{port}")


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
