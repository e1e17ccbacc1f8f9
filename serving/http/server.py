"""Run the web application on a socket until a signal stops it; close connections that are too slow."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sceneset.errors import SettingsError
from serving.http.middleware import STOPPING
from serving.settings import ServeSettings

# The application answers a slow body with 408 first; this closes what it did not read.
_BODY_FACTOR = 1.5
# The address and all headers together; whoever sends them has shown no key yet.
MAX_HEAD = 65_536
_CHUNK = 8192
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def limited_protocol(seconds: float) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with limits for a request's headers, and for its body after them.

    The clock runs from a connection's first moment, or from a later request's first byte. Headers
    of more than about 64 KB are answered 431.
    """
    return type("LimitedProtocol", (_LimitedProtocol,), {"seconds": seconds})


class _LimitedProtocol(HttpToolsProtocol):
    """Close what takes longer than `seconds`, and refuse headers without an end."""

    seconds = 20.0
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start(self.seconds)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:  # it runs from a message's first byte to its last
            self._start(self.seconds)
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            super().data_received(chunk)
            if self.transport.is_closing():
                return
            self._head += len(chunk) if self._in_head else 0
            if self._head > MAX_HEAD:
                self._refuse_head()
                return

    def on_message_begin(self) -> None:
        self._in_head, self._head = True, 0
        if self._timer is None:  # it came in one packet with the request before it
            self._start(self.seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._start(self.seconds * _BODY_FACTOR)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _refuse_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_HEAD_TOO_LARGE)
        self.transport.close()

    def _start(self, limit: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(limit, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


BACKLOG = 512
_POLL_S = 0.02


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises SettingsError when the address or port cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:  # UnicodeError: a..b, or a label of 64 letters
        raise _unknown_host(host) from error
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def url_of(listener: socket.socket) -> str:
    """Return the URL that a browser on this machine opens."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn's server: it says when it is ready, and leaves the exit code to whoever runs it.

    `linger_s` is for how long connections without a request stay open once it is told to stop.
    """

    linger_s = 0.5

    def __init__(
        self,
        app: Any,  # noqa: ANN401  an ASGI app
        settings: ServeSettings,
        ready: Callable[[], None],
        signals: tuple[int, ...] = (),
    ) -> None:
        """Prepare; `ready` is called once requests are taken; each of `signals` calls `stop`."""
        config = uvicorn.Config(
            app,
            http=limited_protocol(settings.receive),
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
        self._ready, self._signals = ready, signals
        self._stopping = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so; every request sees in its state whether the server stops."""
        self.lifespan.state[STOPPING] = self._stopping
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
        self._stopping.set()
        until = time.monotonic() + self.linger_s
        while self.server_state.connections and time.monotonic() < until:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(_POLL_S)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Call `stop` for the signals while the block runs, in place of uvicorn's own handling."""
        for number in self._signals:
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        """Stop after the requests at work; called again, cancel those too.

        A request that is cancelled before its answer began gets 503.
        """
        if self.should_exit:
            for task in list(self.server_state.tasks):
                task.cancel()
        self.should_exit = True


def _unknown_host(host: str) -> SettingsError:
    return SettingsError(
        f"--host {host} is no address of this machine",
        cure="name one, such as 127.0.0.1 or 0.0.0.0",
    )


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRNOTAVAIL:
        return _unknown_host(host)
    if error.errno == errno.EADDRINUSE:
        problem = f"--port {port} of {host} is in use"
    else:
        problem = f"--port {port} of {host} is refused: {os.strerror(error.errno or 0)}"
    return SettingsError(problem, cure="name another with --port, or --port 0 for any free one")
