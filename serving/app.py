"""Build the web application: every client contract around one service, and the page.

`uvicorn serving.app:app` serves the model that SCENESET_MODEL names, or models/scenes;
SCENESET_ALLOW_ORIGIN lists the origins of --allow-origin, with spaces between them.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Address

from sceneset.errors import SceneSetError
from serving.docs.page import description_routes
from serving.http.auth import Keys, read_keys
from serving.http.errors import RefusalError
from serving.http.middleware import Front, page_routes
from serving.http.origins import Gate
from serving.inference.memory import keep_large_blocks_apart
from serving.inference.queue import Desk, available_cores
from serving.inference.reload import Keeper, follow
from serving.inference.service import Service
from serving.protocols import (
    model_exchange,
    open_inference,
    operations,
    photo_api,
    plain,
    platform_endpoint,
    tf_serving,
)
from serving.protocols.contract import Dialect, Route, problem_response
from serving.protocols.feedback import FeedbackFile, feedback_dialect
from serving.settings import ServeSettings

LOG = logging.getLogger("serving")
DIALECTS: tuple[Dialect, ...] = (
    plain.DIALECT,
    photo_api.DIALECT,
    platform_endpoint.DIALECT,
    tf_serving.DIALECT,
    open_inference.DIALECT,
    model_exchange.DIALECT,
    operations.DIALECT,
)
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared, not bound
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(settings: ServeSettings) -> Starlette:
    """Return the application with its model loaded. Raises what loading the model raises."""
    keep_large_blocks_apart()
    keys = read_keys(settings.api_key_file) if settings.api_key_file else None
    workers = settings.workers or available_cores()
    desk = Desk(workers, settings.queue)
    service = Service(settings, Keeper(settings, workers), desk)
    model = service.model
    service.metrics.show_model(model.name, model.version, model.sha256)
    app = Starlette(lifespan=_lifespan(service))
    app.router.redirect_slashes = False
    dialects = DIALECTS
    if settings.feedback is not None:
        dialects += (feedback_dialect(FeedbackFile(settings.feedback)),)
    for dialect in dialects:
        for route in dialect.routes:
            app.routes.append(_address(service, keys, dialect, route))
    pages = _add_pages(app, service, dialects, keys=keys is not None)
    _add_refusals(app, service)
    if settings.ui == "gradio":
        from serving.gradio_page import add_gradio  # noqa: PLC0415  an extra

        add_gradio(app, service, keys)
    _add_gate(app, service, keys=keys is not None)
    app.add_middleware(Front, metrics=service.metrics, pages=pages)
    app.state.service = service
    return app


def _address(service: Service, keys: Keys | None, dialect: Dialect, route: Route) -> Address:
    async def endpoint(request: Request) -> Response:
        try:
            if route.needs_key:
                _check_key(keys, request)
            with service.room.share() as request.state.share:
                return await route.handler(service, request)
        except RefusalError as refusal:
            if refusal.index is None:  # those of single pictures are counted where they arise
                service.metrics.refused.labels(route.path, refusal.reason).inc()
            return dialect.refuse(refusal)
        except Exception:
            LOG.exception("a request to %s failed", route.path)
            return dialect.refuse(RefusalError(500, "internal", "Internal error"))

    return Address(route.path, endpoint, methods=[route.method])


def _check_key(keys: Keys | None, request: Request) -> None:
    if keys is not None and not keys.open_to(request.headers):
        challenge = (("WWW-Authenticate", "Bearer"),)
        raise RefusalError(401, "unauthorised", "A valid API key is needed", headers=challenge)


def _add_pages(
    app: Starlette, service: Service, dialects: tuple[Dialect, ...], *, keys: bool
) -> frozenset[str]:
    """Add what describes the routes, and the page; return their addresses."""
    pages = {
        **description_routes(service, dialects, keys=keys),
        **page_routes(with_start=service.settings.ui == "page"),
    }
    for path, page in pages.items():
        app.router.add_route(path, page, methods=["GET"])
    return frozenset(pages)


def _add_refusals(app: Starlette, service: Service) -> None:
    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(getattr(error, "headers", None) or {})
        words = {404: "There is nothing at this address", 405: "This address takes another method"}
        refusal = RefusalError(
            status,
            "not_allowed" if status == 405 else "not_found",  # noqa: PLR2004  the HTTP status
            words.get(status, "The request cannot be answered"),
            headers=tuple(headers.items()),
        )
        service.metrics.refused.labels("(none)", refusal.reason).inc()
        return _refused(request.url.path, refusal)

    app.add_exception_handler(HTTPException, refuse)


def _refused(path: str, refusal: RefusalError) -> Response:
    """Return a refusal in the shape of the contract that an address belongs to."""
    shapes = (dialect.refuse for dialect in DIALECTS if path.startswith(dialect.prefixes))
    return next(shapes, problem_response)(refusal)


def _add_gate(app: Starlette, service: Service, *, keys: bool) -> None:
    """Keep pages of other sites out, except for those of the listed origins."""
    settings = service.settings
    # Without the key no page can use the server, whatever name it came by. 0.0.0.0 is no name of
    # its own; what comes over loopback is asked for its name all the same.
    own = "" if settings.host in WILDCARDS else settings.host
    bound = None if keys else own
    trusted, metrics = settings.allow_origin, service.metrics
    app.add_middleware(Gate, bound=bound, trusted=trusted, refused=_refused, metrics=metrics)
    if trusted:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=trusted,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )


def _lifespan(service: Service) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        loop, seconds = asyncio.get_running_loop(), service.settings.watch
        running: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(_reload(service))
            running.add(task)
            task.add_done_callback(running.discard)

        # Only the main thread may; where there is none, the folder is still watched.
        with suppress(ValueError, RuntimeError):
            loop.add_signal_handler(signal.SIGHUP, reload)
        if seconds:
            running.add(loop.create_task(follow(service.keeper, seconds, _shown(service))))
        yield
        for task in running:
            task.cancel()
        with suppress(ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGHUP)
        service.keeper.thread.shutdown()
        service.desk.close()

    return lifespan


async def _reload(service: Service) -> None:
    keeper, loop = service.keeper, asyncio.get_running_loop()
    _shown(service)(await loop.run_in_executor(keeper.thread, keeper.reload))


def _shown(service: Service) -> Callable[[bool], None]:
    def shown(done: bool) -> None:  # noqa: FBT001  the callback's one value
        service.metrics.reloads.labels("done" if done else "refused").inc()
        model = service.model
        service.metrics.show_model(model.name, model.version, model.sha256)

    return shown


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
