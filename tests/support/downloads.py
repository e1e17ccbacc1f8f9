"""Servers of raw sockets for the downloader, and resolvers that lie."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep

from scraper.http.client import Downloader, Limits
from scraper.reader import Fetched

QUICK = Limits(connect_s=0.5, read_s=0.6, whole_s=0.8, max_bytes=100_000)
Handle = Callable[[socket.socket], None]


@contextmanager
def answering(*handles: Handle) -> Iterator[tuple[str, list[bytes]]]:
    """Serve raw sockets: the n-th connection is handled by the n-th function, then the last."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    asked.append(connection.recv(65536))
                    handles[min(len(asked), len(handles)) - 1](connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/p.jpg", asked
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def says(body: bytes, status: str = "200 OK", *headers: str) -> Handle:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return lambda connection: connection.sendall(head + body)


def drips(head: bytes) -> Handle:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(200):
            connection.sendall(b"a")
            sleep(0.05)

    return drip


def pours(head: bytes, chunk: bytes, times: int) -> Handle:
    def pour(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(times):
            connection.sendall(chunk)

    return pour


def fetch(url: str, **more: object) -> Fetched:
    options: dict[str, object] = {"allow_private": True, "limits": QUICK} | more
    download = Downloader("test", **options)  # type: ignore[arg-type]
    try:
        return download(url)
    finally:
        download.close()


def lying_resolver(*answers: str) -> Callable[..., list[tuple[object, ...]]]:
    told = list(answers)

    def resolve(host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        address = told.pop(0) if len(told) > 1 else told[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return resolve
