"""Answer HTTP on 127.0.0.1: one origin, its requests counted, closed without leftovers."""

import errno
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit

from sceneset.errors import SettingsError

LOOPBACK = "127.0.0.1"
IDLE_S = 60
DRIP_S = 1.0
MAX_FORM = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """What an origin answers: bytes, their content type, the HTTP status and further headers.

    `wait_s` seconds pass before it, for ever when None; one that `drips` comes byte by byte.
    """

    data: bytes
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float | None = 0
    drips: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request that arrived: its target, taken apart, and when (seconds, monotonic).

    `form` is None unless it is a POST.
    """

    target: str
    path: str
    query: Mapping[str, str]
    cookies: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    time: float = field(default_factory=time.monotonic)


HTML = "text/html; charset=utf-8"
NOT_FOUND = Answer(b"not found\n", "text/plain; charset=utf-8", 404)
Respond = Callable[[Request], Answer]


class Origin(ThreadingHTTPServer):
    """One server on 127.0.0.1; `respond(request)` makes every answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond) -> None:
        """Listen. Raises SettingsError when the port is taken or refused."""
        self.respond = respond
        self.requests: list[Request] = []
        self.connections: set[socket.socket] = set()
        self.closing = Event()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            why = "in use" if in_use else f"refused: {error.strerror}"
            raise SettingsError(
                f"--port {port} of {LOOPBACK} is {why}",
                cure="name another with --port, or --port 0 for any free one",
            ) from error

    @property
    def url(self) -> str:
        """Return the origin's URL without a slash at its end."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def server_close(self) -> None:
        """Stop listening and close every connection that a client keeps open."""
        self.closing.set()
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
        self._answer(None)

    def do_POST(self) -> None:
        """Answer one form."""
        length = self.headers.get("Content-Length", "")
        size = min(int(length), MAX_FORM) if length.isdecimal() else 0
        body = self.rfile.read(size).decode("utf-8", "replace")
        self._answer(dict(parse_qsl(body, keep_blank_values=True)))

    def _answer(self, form: Mapping[str, str] | None) -> None:
        parts = urlsplit(self.path)
        cookies: dict[str, str] = {}
        with suppress(CookieError):
            cookies = {n: m.value for n, m in SimpleCookie(self.headers.get("Cookie", "")).items()}
        request = Request(self.path, parts.path, dict(parse_qsl(parts.query)), cookies, form)
        self.server.requests.append(request)
        answer = self.server.respond(request)
        if answer.wait_s != 0 and self.server.closing.wait(answer.wait_s):
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        if not answer.drips:
            self.wfile.write(answer.data)
            return
        for position in range(len(answer.data)):
            self.wfile.write(answer.data[position : position + 1])
            self.wfile.flush()
            if self.server.closing.wait(DRIP_S):
                break

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
