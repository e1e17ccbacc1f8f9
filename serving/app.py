"""Build the web application: every client contract around one service, and the page.

`uvicorn serving.app:app` serves the model that SCENESET_MODEL names, or models/scenes;
SCENESET_ALLOW_ORIGIN lists the origins of --allow-origin, with spaces between them.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HTTPRoute

from sceneset.errors import SceneSetError
from serving.http.auth import APIKeys, read_keys
from serving.http.errors import HTTPError
from serving.http.middleware import UNKNOWN_ROUTE, OriginMiddleware, RequestMiddleware
from serving.inference.memory import set_malloc_thresholds
from serving.inference.service import Service
from serving.pages import Page, description_routes, page_routes
from serving.protocols import (
    model_exchange,
    open_inference,
    operations,
    photo_api,
    plain,
    platform_endpoint,
    tf_serving,
)
from serving.protocols.contract import ClientProtocol, Route, problem_response
from serving.protocols.feedback import FeedbackFile, feedback_protocol
from serving.settings import ServeSettings

LOG = logging.getLogger("serving")
PROTOCOLS: tuple[ClientProtocol, ...] = (
    plain.PROTOCOL,
    photo_api.PROTOCOL,
    platform_endpoint.PROTOCOL,
    tf_serving.PROTOCOL,
    open_inference.PROTOCOL,
    model_exchange.PROTOCOL,
    operations.PROTOCOL,
)
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared, not bound


def create_app(settings: ServeSettings) -> Starlette:
    """Return the application with its model loaded. Raises what loading the model raises."""
    set_malloc_thresholds()
    keys = read_keys(settings.api_key_file) if settings.api_key_file else None
    service = Service(settings)
    app = Starlette(lifespan=_lifespan, exception_handlers={HTTPException: _answer_refusal})
    app.state.service, app.state.resources = service, ExitStack()
    app.router.redirect_slashes = False
    protocols = PROTOCOLS
    if settings.feedback is not None:
        protocols += (feedback_protocol(FeedbackFile(settings.feedback)),)
    for protocol in protocols:
        for route in protocol.routes:
            app.routes.append(_http_route(service, keys, protocol, route))
    pages: dict[str, Page | Response] = {
        **description_routes(service, protocols, keys=keys is not None),
        **page_routes(with_start=settings.ui == "page"),
    }
    for path, page in pages.items():
        app.routes.append(HTTPRoute(path, page, methods=["GET"]))
    if settings.ui == "gradio":
        from serving.gradio_page import add_gradio  # noqa: PLC0415  an extra

        add_gradio(app, service, keys)
    _add_origin_checks(app, service, keys=keys is not None)
    app.add_middleware(RequestMiddleware, metrics=service.metrics, pages=frozenset(pages))
    return app


def _http_route(
    service: Service, keys: APIKeys | None, protocol: ClientProtocol, route: Route
) -> HTTPRoute:
    async def endpoint(request: Request) -> Response:
        try:
            if route.needs_key and keys is not None:
                keys.check(request.headers)
            with service.memory.reserve() as request.state.reservation:
                return await route.handler(service, request)
        except HTTPError as error:
            if error.index is None:  # those of single pictures are counted where they arise
                service.metrics.errors.labels(route.path, error.reason).inc()
            return protocol.error_response(error)
        except Exception:
            LOG.exception("a request to %s failed", route.path)
            return protocol.error_response(HTTPError(500, "internal", "Internal error"))

    return HTTPRoute(route.path, endpoint, methods=[route.method])


async def _answer_refusal(request: Request, error: Exception) -> Response:
    """Answer errors of starlette's own, such as for a path without a route."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(getattr(error, "headers", None) or {})
    words = {404: "There is nothing at this address", 405: "This address takes another method"}
    ours = HTTPError(
        status,
        "not_allowed" if status == 405 else "not_found",  # noqa: PLR2004  the HTTP status
        words.get(status, "The request cannot be answered"),
        headers=tuple(headers.items()),
    )
    request.app.state.service.metrics.errors.labels(UNKNOWN_ROUTE, ours.reason).inc()
    return _error_response(request.url.path, ours)


def _error_response(path: str, error: HTTPError) -> Response:
    """Return an error in the shape of the contract that a path belongs to."""
    shapes = (one.error_response for one in PROTOCOLS if path.startswith(one.prefixes))
    return next(shapes, problem_response)(error)


def _add_origin_checks(app: Starlette, service: Service, *, keys: bool) -> None:
    """Keep pages of other sites out, except for those of the listed origins."""
    settings = service.settings
    # Without the key no page can use the server, whatever name it came by. 0.0.0.0 is no name of
    # its own; what comes over loopback is checked for its name all the same.
    own = "" if settings.host in WILDCARDS else settings.host
    app.add_middleware(
        OriginMiddleware,
        bound=None if keys else own,
        trusted=settings.allow_origin,
        error_response=_error_response,
        metrics=service.metrics,
    )
    if settings.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origin,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    service: Service = app.state.service
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def start(work: Coroutine[None, None, None]) -> None:
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # Only the main thread may; where there is none, the folder is still watched.
    with suppress(ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGHUP, lambda: start(service.reload()))
    if service.settings.watch:
        start(service.watch())
    yield
    for task in tasks:
        task.cancel()
    with suppress(ValueError, RuntimeError):
        loop.remove_signal_handler(signal.SIGHUP)
    service.reloader.thread.shutdown()
    service.queue.close()
    app.state.resources.close()


def __getattr__(name: str) -> Starlette:
    """Build `app` when a server asks for it."""
    if name != "app":
        raise AttributeError(name)
    model = Path(os.environ.get("SCENESET_MODEL", str(ServeSettings.model)))
    origins = tuple(os.environ.get("SCENESET_ALLOW_ORIGIN", "").split())
    try:
        return create_app(ServeSettings(model=model, allow_origin=origins))
    except SceneSetError as error:
        sys.stderr.write(f"serving.app: {error.problem}\n  try: {_cure(error.cure)}\n")
        sys.exit(error.exit_code)


def _cure(cure: str) -> str:
    """Return a cure with the environment's names instead of options, which uvicorn lacks."""
    cure = cure.replace("--model ", "SCENESET_MODEL=")
    cure = cure.replace("--allow-origin ", "SCENESET_ALLOW_ORIGIN=")
    return f"with sceneset serve, {cure}" if "--" in cure else cure
