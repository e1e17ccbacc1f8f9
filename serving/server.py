"""Run the web application on a socket until a signal ends it."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import uvicorn

from pipeline.errors import SettingsError
from serving.front import ENDING
from serving.protocol import guarded_protocol
from serving.settings import ServeSettings

BACKLOG = 512
_LOOK_S = 0.02


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises SettingsError when the address or port cannot be had."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:  # UnicodeError: a..b, or a label of 64 letters
        raise _no_address(host) from error
    listener = socket.socket(family, kind, number)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the address that a browser on this machine opens."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn's server: it says when it is ready, and leaves the exit code to whoever runs it.

    `linger_s` is for how long connections without a request stay open once it is told to end.
    """

    linger_s = 0.5

    def __init__(self, app: Any, settings: ServeSettings, ready: Callable[[], None]) -> None:  # noqa: ANN401  an ASGI app
        """Prepare; `ready` is called once requests are taken."""
        config = uvicorn.Config(
            app,
            http=guarded_protocol(settings.receive),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(max(5, settings.receive)),
            timeout_graceful_shutdown=int(settings.deadline) + 1,
        )
        super().__init__(config)
        self._ready = ready
        self._ending = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so; every request sees in its state whether the server ends."""
        self.lifespan.state[ENDING] = self._ending
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, answer what comes on the open ones for a moment, then close.

        A client that just got an answer may be sending its next request: closing its connection at
        once would lose that. From now on every answer is the last of its connection.
        """
        for server in self.servers:
            server.close()
        self._ending.set()
        until = time.monotonic() + self.linger_s
        while self.server_state.connections and time.monotonic() < until:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(_LOOK_S)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: `run` hears them."""
        yield


def run(server: Server, listener: socket.socket, signals: tuple[int, ...]) -> None:
    """Serve until one of the signals; requests at work are answered, a second signal ends them.

    A request that is ended before its answer began gets 503.
    """

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, end, server)
        await server.serve(sockets=[listener])

    asyncio.run(serve())


def end(server: Server) -> None:
    """Let a server end after the requests at work; asked again, give those up too."""
    if server.should_exit:
        for task in list(server.server_state.tasks):
            task.cancel()
    server.should_exit = True


def _no_address(host: str) -> SettingsError:
    return SettingsError(
        f"--host {host} is no address of this machine",
        cure="name one, such as 127.0.0.1 or 0.0.0.0",
    )


def _refused(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRNOTAVAIL:
        return _no_address(host)
    if error.errno == errno.EADDRINUSE:
        problem = f"--port {port} of {host} is in use"
    else:
        problem = f"--port {port} of {host} is refused: {error.strerror}"
    return SettingsError(problem, cure="name another with --port, or --port 0 for any free one")
