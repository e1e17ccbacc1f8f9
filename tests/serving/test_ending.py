"""Requests that the server's end does not wait for."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from serving.front import Front
from serving.metrics import Metrics
from serving.server import Server, end
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
        front = Front(stuck, Metrics(), frozenset())
        task = asyncio.ensure_future(front(dict(SCOPE), nothing, send))
        server.server_state.tasks.add(task)
        await asyncio.sleep(0)
        end(server)
        await asyncio.sleep(0)
        assert not sent
        assert not task.done()
        end(server)
        await asyncio.wait_for(task, 5)
        return sent

    start, _body = asyncio.run(run())
    assert start["status"] == 503
    assert (b"connection", b"close") in start["headers"]
