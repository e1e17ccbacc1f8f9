"""Requests that the server's stop does not wait for."""

import asyncio
import http.client
import json
import socket
import threading
from pathlib import Path

from starlette.types import Message, Receive, Scope, Send

from serving.app import create_app
from serving.http.middleware import Metrics, RequestMiddleware
from serving.http.server import Server, listen
from serving.settings import ServeSettings

SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": []}


async def stuck(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Wait for a body that never comes."""
    await asyncio.Event().wait()


async def nothing() -> Message:
    return {"type": "http.disconnect"}


def test_a_second_signal_ends_a_stuck_request_with_503() -> None:
    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        server = Server(stuck, ServeSettings(), lambda: None)
        middleware = RequestMiddleware(stuck, Metrics(), frozenset())
        task = asyncio.ensure_future(middleware(dict(SCOPE), nothing, send))
        server.server_state.tasks.add(task)
        await asyncio.sleep(0)
        server.stop()
        await asyncio.sleep(0)
        assert not sent
        assert not task.done()
        server.stop()
        await asyncio.wait_for(task, 5)
        return sent

    start, _body = asyncio.run(run())
    assert start["status"] == 503
    assert (b"connection", b"close") in start["headers"]


def test_a_request_on_an_open_connection_is_answered_while_the_server_ends_and_told_so(
    model: Path,
) -> None:
    settings, ready = ServeSettings(model=model, workers=1, watch=0), threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = Server(create_app(settings), settings, ready.set)
        server.linger_s = 20
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert ready.wait(20)
        client = http.client.HTTPConnection(*listener.getsockname(), timeout=10)
        client.request("GET", "/healthz")
        assert client.getresponse().read()
        server.stop()
        wait_until_closed(listener.getsockname())
        client.request("GET", "/readyz")
        answer = client.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
        assert json.loads(answer.read())["ready"] is False
        thread.join(20)


def wait_until_closed(address: tuple[str, int]) -> None:
    """Return once no new connection is taken: the server has begun to stop."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(address):
                return
