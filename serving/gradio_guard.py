"""Stand before Gradio's page: bound bodies, let through uploaded pictures only, keep to this host.

Gradio fetches what a client names by an address, copies what it cannot read into its log, and
bounds nothing but single files. So each call is written anew from the little that it may say.
"""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from time import time

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.body import read_body
from serving.dialects.contract import problem_response
from serving.payload import parse_json
from serving.refusal import RefusalError
from serving.room import Share
from serving.service import Service

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
_SAID = {"session_hash": str, "event_id": str, "fn_index": int, "trigger_id": int}


class GradioGuard:
    """An ASGI application that lets through what Gradio's page needs, and reaches no other host."""

    def __init__(self, app: ASGIApp, service: Service, folder: Path) -> None:
        """Stand around an application whose uploads go into `folder`, without links in its path."""
        self._app = app
        self._service = service
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{PLACE}/"):
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(Request(scope, receive), _with_policy(send))
        except RefusalError as refusal:
            self._service.metrics.refused.labels(PLACE, refusal.reason).inc()
            await problem_response(refusal)(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> None:
        path = request.scope["path"].rstrip("/")
        if "://" in path:
            raise RefusalError(404, "not_found", "Nothing is fetched from other hosts")
        if request.method in _READING:
            await self._app(request.scope, request.receive, send)
            return
        if path not in {_UPLOAD, *_CALLS, *_OTHERS}:
            raise RefusalError(404, "not_found", "There is nothing at this address")
        with self._service.room.share() as share:
            if path == _UPLOAD:
                await self._upload(request, send, share)
            else:
                await self._call(request, send, share, pictures=path in _CALLS)

    async def _call(self, request: Request, send: Send, share: Share, *, pictures: bool) -> None:
        settings = self._service.settings
        body = await read_body(request, min(settings.max_body, SMALL), settings.receive, share)
        if pictures:
            body = json.dumps(call_of(parse_json(body), self._folder)).encode()
        # In place: what counts requests reads the route from this scope afterwards.
        MutableHeaders(scope=request.scope)["Content-Length"] = str(len(body))
        await self._app(request.scope, _replayed(request, body), send)

    async def _upload(self, request: Request, send: Send, share: Share) -> None:
        """Hand a form on, and end it where it is too large; Gradio then keeps track of its files."""
        kept = await asyncio.to_thread(sweep, self._folder, time() - KEPT)
        if kept >= self._service.settings.max_bodies:
            detail = "Too many pictures were uploaded within a minute; try again soon"
            headers = (("Retry-After", str(KEPT)),)
            raise RefusalError(503, "queue_full", detail, headers=headers)
        refusals: list[RefusalError] = []

        async def receiving() -> Message:
            message = await request.receive()
            try:
                self._grow(share, len(message.get("body", b"")))
            except RefusalError as refusal:
                refusals.append(refusal)
                return {"type": "http.request", "more_body": False}
            return message

        async def sending(message: Message) -> None:
            if not refusals:
                await send(message)

        await self._app(request.scope, receiving, sending)
        if refusals:
            raise refusals[0]

    def _grow(self, share: Share, size: int) -> None:
        limit = self._service.settings.max_body
        if share.size + size > limit:
            detail = f"The body is over the limit of {limit} bytes"
            raise RefusalError(413, "body_too_large", detail)
        share.grow(size)


def call_of(value: object, folder: Path) -> dict[str, object]:
    """Return a call of the page's function, with nothing in it but a picture out of `folder`.

    Raises RefusalError (400) for any other file, address or value.
    """
    match value:
        case {"data": [None]}:
            picture = None
        case {"data": [{"path": str(path)}]} if _is_upload(path, folder):
            picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
        case _:
            detail = "Send a picture that was uploaded here within the last minute"
            raise RefusalError(400, "bad_format", detail)
    said = value if isinstance(value, dict) else {}
    kept = {name: said[name] for name, kind in _SAID.items() if type(said.get(name)) is kind}
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
        found = Path(path).resolve()
        return found.is_relative_to(folder) and found.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
        await send(message)

    return sending


def _replayed(request: Request, body: bytes) -> Receive:
    left = [body]

    async def receiving() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await request.receive()

    return receiving
