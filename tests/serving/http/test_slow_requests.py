"""Clocks and limits of single connections, over a real socket."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.served_model import Client

from serving.http.server import MAX_HEAD
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
EARLY = b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PART = b"GET / HTTP/1.1\r\nHost"


@pytest.fixture
def hasty(serve: Serve, model: Path) -> Iterator[Client]:
    with serve(ServeSettings(model=model, workers=1, watch=0, receive=0.3)) as client:
        yield client


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    found = b""
    while chunk := connection.recv(65536):
        found += chunk
    return found


def test_headers_after_an_answer_that_came_before_its_body_have_a_clock(hasty: Client) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), 4) as connection:
        connection.sendall(EARLY)
        assert connection.recv(65536).startswith(b"HTTP/1.1 404")
        connection.sendall(b"abcde")
        time.sleep(0.05)
        connection.sendall(PART)
        assert b"HTTP/1.1" not in rest(connection)


def test_headers_that_begin_in_the_packet_of_another_request_have_a_clock(hasty: Client) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), 4) as connection:
        connection.sendall(GET + PART)
        assert rest(connection).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: "])
def test_headers_of_more_than_64_kb_are_431(client: Client, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", client.port), 4) as connection:
        connection.sendall(start + b"x" * (MAX_HEAD - 500))
        time.sleep(0.05)  # so that the server has read all when it closes
        connection.sendall(b"y" * 1000)
        assert rest(connection).startswith(b"HTTP/1.1 431")


def test_headers_of_50_kb_and_bodies_of_any_size_after_them_are_read(client: Client) -> None:
    head = b"POST /classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: " + b"x" * 50_000
    body = b"[" + b" " * 200_000 + b"]"
    head += b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert client.raw(head + body).startswith(b"HTTP/1.1 200")
