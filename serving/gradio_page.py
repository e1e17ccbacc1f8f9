"""Offer the same top 3 on a page made with Gradio, which asks the engine of this server.

Gradio counts its users and fetches fonts from other hosts by default; here it does
neither, and the middleware keeps its page and its calls from other hosts whatever they try.
"""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.auth import APIKeys
from serving.http.body import Reservation, read_body
from serving.http.errors import HTTPError, bad_format, busy
from serving.http.payload import OWN, parse_json
from serving.inference.service import Service
from serving.protocols.contract import problem_response

PLACE = "/gradio"
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; connect-src 'self' blob: data:;"
    " base-uri 'self'; frame-ancestors 'none'"
)
SMALL = 100_000  # bytes of a body that holds no picture
KEPT = 60  # seconds that an upload is kept; one that broke off, until the next one after them
_API = f"{PLACE}/gradio_api"
_UPLOAD = f"{_API}/upload"
_CALLS = frozenset(
    f"{_API}/{one}" for one in ("queue/join", "call/classify", "run/classify", "api/classify")
)
_OTHERS = frozenset({f"{PLACE}/login", f"{_API}/cancel", f"{_API}/reset"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT_FIELDS = {"session_hash": str, "event_id": str, "fn_index": int, "trigger_id": int}


@dataclass(frozen=True)
class GradioMiddleware:
    """An ASGI application that lets through what Gradio's page needs, and reaches no other host.

    It wraps an application whose uploads go into `folder`, without links in its path.
    """

    app: ASGIApp
    service: Service
    folder: Path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{PLACE}/"):
            await self.app(scope, receive, send)
            return
        try:
            await self._answer(Request(scope, receive), _with_policy(send))
        except HTTPError as error:
            self.service.metrics.errors.labels(PLACE, error.reason).inc()
            await problem_response(error)(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> None:
        path = request.scope["path"].rstrip("/")
        if "://" in path:
            raise HTTPError(404, "not_found", "Nothing is fetched from other hosts")
        if request.method in _READING:
            await self.app(request.scope, request.receive, send)
            return
        if path not in {_UPLOAD, *_CALLS, *_OTHERS}:
            raise HTTPError(404, "not_found", "There is nothing at this address")
        with self.service.memory.reserve() as reservation:
            body = await self._checked_body(request, path, reservation)
            # In place: what counts requests reads the route from this scope afterwards.
            MutableHeaders(scope=request.scope)["Content-Length"] = str(len(body))
            await self.app(request.scope, _replayed(request, body), send)

    async def _checked_body(self, request: Request, path: str, reservation: Reservation) -> bytes:
        """Return a body within its limit: an upload as it came, a call written anew."""
        settings, limit = self.service.settings, SMALL
        if path == _UPLOAD:
            limit = settings.max_body
            kept = await asyncio.to_thread(sweep, self.folder, time() - KEPT)
            if kept >= settings.max_bodies:
                raise busy("Too many pictures were uploaded within a minute; try again soon", KEPT)
        limit = min(settings.max_body, limit)
        body = await read_body(request, limit, settings.receive, reservation)
        if path not in _CALLS:
            return body
        return json.dumps(call_of(parse_json(body), self.folder)).encode()


def call_of(value: object, folder: Path) -> dict[str, object]:
    """Return a call of the page's function, with nothing in it but a picture out of `folder`.

    Raises HTTPError (400) for any other file, address or value.
    """
    match value:
        case {"data": [None]}:
            picture = None
        case {"data": [{"path": str(path)}]} if _is_upload(path, folder):
            picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
        case _:
            raise bad_format("Send a picture that was uploaded here within the last minute")
    given = value if isinstance(value, dict) else {}
    kept = {
        name: given[name] for name, kind in _KEPT_FIELDS.items() if type(given.get(name)) is kind
    }
    return {"data": [picture], **kept}


def sweep(folder: Path, before: float) -> int:
    """Remove the files below `folder` that were last written before a time, seconds since 1970.

    Returns the bytes of those that stay.
    """
    kept = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # Gradio removes files too
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()
            elif path.is_file():
                kept += path.stat().st_size
    return kept


def _is_upload(path: str, folder: Path) -> bool:
    try:
        file = Path(path).resolve()
        return file.is_relative_to(folder) and file.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
        await send(message)

    return sending


def _replayed(request: Request, body: bytes) -> Receive:
    remaining = [body]

    async def receiving() -> Message:
        if remaining:
            return {"type": "http.request", "body": remaining.pop(), "more_body": False}
        return await request.receive()

    return receiving


TOP = 3
LOGIN = "Any user name, and an API key as the password."


def add_gradio(app: Starlette, service: Service, keys: APIKeys | None) -> None:
    """Put Gradio's page below /gradio, and send `/` there.

    With keys it asks for one. Uploads go into a folder of their own, which goes with the server.
    Raises ModuleNotFoundError without the extra `gradio`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gradio = import_module("gradio")
    uploads = app.state.resources.enter_context(TemporaryDirectory(prefix="sceneset-"))
    folder = Path(uploads).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    gradio.mount_gradio_app(
        app,
        build_blocks(gradio, service),
        PLACE,
        auth=None if keys is None else _login(keys),
        auth_message=LOGIN,
        max_file_size=service.settings.max_body,
        show_error=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    app.routes.append(Route("/", RedirectResponse(f"{PLACE}/"), methods=["GET"]))
    app.add_middleware(GradioMiddleware, service=service, folder=folder)


def build_blocks(gradio: Any, service: Service) -> Any:  # noqa: ANN401  the package, which has no types
    """Return the page: a picture in, the three most probable classes out."""

    async def classify(data: bytes | None) -> dict[str, float]:
        if data is None:
            return {}
        try:
            answers = await service.classify([data], OWN, PLACE)
            return dict(answers.top(TOP)[0])
        except HTTPError as error:
            raise gradio.Error(error.detail, print_exception=False) from error

    with gradio.Blocks(
        title=service.model.name, analytics_enabled=False, delete_cache=(KEPT, KEPT)
    ) as blocks:
        gradio.Markdown(f"# {service.model.name}")
        with gradio.Row():
            # No gradio.Image: that decodes what comes, of any format, before our checks can.
            picture = gradio.File(type="binary", file_types=["image"], label="Picture")
            classes = gradio.Label(num_top_classes=TOP, label="Most probable")
        picture.change(classify, picture, classes, api_name="classify")
    return blocks


def _login(keys: APIKeys) -> Callable[[str, str], bool]:
    return lambda _user, password: keys.open_to({"x-api-key": password})
