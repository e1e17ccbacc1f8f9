"""Answer HTTP on 127.0.0.1: one origin, its requests counted, closed without leftovers."""

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from pipeline.errors import SettingsError

LOOPBACK = "127.0.0.1"
IDLE_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What an origin answers: bytes, their content type and the HTTP status."""

    data: bytes
    media_type: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One request that arrived: its path with the query string, and when (seconds, monotonic)."""

    path: str
    time: float


NOT_FOUND = Answer(b"not found\n", "text/plain; charset=utf-8", 404)
Respond = Callable[[str, dict[str, str]], Answer]


class Origin(ThreadingHTTPServer):
    """One server on 127.0.0.1; `respond(path, query)` makes every answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond) -> None:
        """Listen. Raises SettingsError when the port is taken or refused."""
        self.respond = respond
        self.requests: list[Request] = []
        self.connections: set[socket.socket] = set()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise _port_error(port, error) from error

    @property
    def url(self) -> str:
        """Return the origin's address without a slash at its end."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def server_close(self) -> None:
        """Stop listening and end every connection that a client keeps open."""
        super().server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A header and a body in two small packets wait 40 ms each for Nagle's algorithm.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_S
    server: Origin

    def setup(self) -> None:
        """Remember the connection, so that closing the server closes it too."""
        super().setup()
        self.server.connections.add(self.connection)

    def handle(self) -> None:
        """Answer until the client goes away, even in the middle of an answer."""
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def finish(self) -> None:
        """Forget the connection."""
        self.server.connections.discard(self.connection)
        with suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        """Answer one request."""
        self.server.requests.append(Request(self.path, time.monotonic()))
        parts = urlsplit(self.path)
        answer = self.server.respond(parts.path, dict(parse_qsl(parts.query)))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def log_message(self, *_words: object) -> None:
        """Keep quiet: requests are counted, not printed."""


@contextmanager
def serving(origin: Origin) -> Iterator[Origin]:
    """Serve in a daemon thread while the block runs."""
    thread = Thread(target=origin.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        origin.shutdown()
        origin.server_close()
        thread.join()


def _port_error(port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        problem = f"--port {port} of {LOOPBACK} is in use"
    else:
        problem = f"--port {port} of {LOOPBACK} is refused: {error.strerror}"
    return SettingsError(problem, cure="name another with --port, or --port 0 for any free one")
