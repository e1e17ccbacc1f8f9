"""Load a server in a closed loop: each connection sends its next request after the last answer.

One thread on non-blocking sockets, so that the asking takes as little as possible of the cores that
the server works on. A request that gets no answer in time, or whose connection breaks, has failed;
the load goes on over a new connection.
"""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_READ = 1 << 18
_HUNG_UP = 0
_LOOK_S = 1.0
ANSWER_S = 120.0


@dataclass
class Answers:
    """Seconds that each right answer took, how many were not right, and how long it all took."""

    times: list[float] = field(default_factory=list)
    failed: int = 0
    took: float = 0.0

    def note(self, status: int, seconds: float) -> None:
        """Note an answer."""
        if status == HTTPStatus.OK:
            self.times.append(seconds)
        else:
            self.failed += 1


class Client:
    """One connection with its request."""

    def __init__(self, port: int, request: bytes) -> None:
        """Connect."""
        self._port, self._request = port, request
        self.connect()

    def connect(self) -> None:
        """Connect anew. Raises OSError when nobody listens."""
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def ask(self) -> None:
        """Begin the next request."""
        self.began = time.perf_counter()
        self._rest = memoryview(self._request)
        self._received = bytearray()
        self.send()

    def send(self) -> None:
        """Send what the connection takes now.

        One that is closed takes no more, but an answer may be there: reading says so, or that the
        server hung up.
        """
        try:
            while self._rest:
                self._rest = self._rest[self.socket.send(self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._rest = self._rest[:0]

    def read(self) -> int | None:
        """Return the status of an answer that is whole, None before; 0 when the server hung up."""
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return None
        except OSError:
            return _HUNG_UP
        self._received += data
        return whole(bytes(self._received)) if data else _HUNG_UP

    def late(self) -> bool:
        """Say whether the answer takes too long."""
        return time.perf_counter() - self.began > ANSWER_S

    def events(self) -> int:
        """Return what to wait for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._rest else 0)


def whole(received: bytes) -> int | None:
    """Return the status of an HTTP answer that is whole, None before."""
    head, end, body = received.partition(_END)
    if not end:
        return None
    lower = head.lower()
    if _LENGTH not in lower:
        raise ValueError("the server does not say how long its answer is")
    length = int(lower.split(_LENGTH)[1].split(b"\r\n")[0])
    return int(head.split()[1]) if len(body) >= length else None


def request(path: str, body: bytes, kind: str = "application/json") -> bytes:
    """Return an HTTP request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask_for(seconds: float, port: int, request: bytes, clients: int) -> Answers:
    """Keep `clients` requests open for some seconds; those that are open then are waited for."""
    answers, waiting = Answers(), selectors.DefaultSelector()
    began = time.perf_counter()
    for _ in range(clients):
        try:
            client = Client(port, request)
        except OSError:
            answers.failed += 1
            continue
        client.ask()
        waiting.register(client.socket, client.events(), client)
    while waiting.get_map():
        for client, status in _answers(waiting):
            waiting.unregister(client.socket)
            answers.note(status, time.perf_counter() - client.began)
            if _next(client, status, over=time.perf_counter() - began >= seconds):
                waiting.register(client.socket, client.events(), client)
    answers.took = time.perf_counter() - began
    return answers


def _answers(waiting: selectors.BaseSelector) -> Iterator[tuple[Client, int]]:
    """Wait for something to happen; yield the clients whose answers are whole, or will not come."""
    happened = waiting.select(_LOOK_S)
    for key, events in happened:
        status = _attend(key.data, events)
        if status is None:
            waiting.modify(key.fileobj, key.data.events(), key.data)
        else:
            yield key.data, status
    if not happened:
        clients = [key.data for key in waiting.get_map().values()]
        yield from ((client, _HUNG_UP) for client in clients if client.late())


def _attend(client: Client, events: int) -> int | None:
    if events & selectors.EVENT_WRITE:
        client.send()
    return client.read() if events & selectors.EVENT_READ else None


def _next(client: Client, status: int, *, over: bool) -> bool:
    """Begin the next request, unless the time is over or nobody listens; say whether."""
    if over or status == _HUNG_UP:
        client.socket.close()
    if over:
        return False
    if status == _HUNG_UP:
        try:
            client.connect()
        except OSError:
            return False
    client.ask()
    return True
