"""Ask a running model server over its socket."""

import base64
import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from serving.app import create_app
from serving.http.server import Server, listen
from serving.settings import ServeSettings


@dataclass(frozen=True)
class Answer:
    """A status, the headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  any JSON value
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A server's port, and the service behind it."""

    port: int
    service: Any

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; what is not bytes is sent as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("POST", path, body, headers)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("GET", path, headers=headers)

    def raw(self, data: bytes, until: bytes = b"\0", seconds: float = 10) -> bytes:
        """Send bytes as they are; return what comes until a sign, or until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(data)
            found = b""
            while until not in found and (chunk := connection.recv(65536)):
                found += chunk
            return found


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def form(fields: Mapping[str, tuple[str | None, bytes]], boundary: str = "xyz") -> bytes:
    """Return a multipart body: field -> file name or None, and bytes."""
    parts = []
    for name, (filename, data) in fields.items():
        of_file = f'; filename="{filename}"' if filename is not None else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}


def encoded(colour: str = "#f02010", kind: str = "PNG", mode: str = "RGB", **more: Any) -> bytes:  # noqa: ANN401  Pillow's options
    """Return a flat picture's file."""
    buffer = io.BytesIO()
    size = more.pop("size", (60, 40))
    image = Image.new("RGB", size, colour)
    if mode != "RGB":
        image = image.convert(mode)
    image.save(buffer, kind, **more)
    return buffer.getvalue()


RED, GREEN, BLUE = encoded(), encoded("#20d030"), encoded("#1020e0")
WEBP = encoded(kind="WEBP", lossless=True)


@contextmanager
def serving(settings: ServeSettings) -> Iterator[Client]:
    """Serve over a real socket, in a thread, while the block runs."""
    with listen("127.0.0.1", 0) as listener:
        ready = threading.Event()
        app = create_app(settings)
        server = Server(app, settings, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        port = listener.getsockname()[1]
        thread.start()
        assert ready.wait(20)
        try:
            yield Client(port, app.state.service)
        finally:
            server.should_exit = True
            thread.join(20)
