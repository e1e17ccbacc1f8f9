"""What Gradio's page may be sent: small calls that name a picture that was uploaded, and no more."""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from support.served_model import Client

from serving.gradio_page import POLICY, SMALL, GradioMiddleware, call_of, sweep
from serving.http.errors import HTTPError

API = "/gradio/gradio_api"
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["data", "path", "url"]), inner),
    max_leaves=6,
)  # fmt: skip


class Inner:
    """An application that keeps the bodies it was sent, and says yes."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(
    middleware: GradioMiddleware,
    path: str,
    *pieces: bytes,
    method: str = "POST",
    length: int | None = None,
) -> tuple[int, Mapping[bytes, bytes]]:
    """Return the status and the headers of the answer to a body in pieces."""
    header = b"transfer-encoding", b"chunked"
    if length is not None:
        header = b"content-length", str(length).encode()
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": [header]}
    left = [{"type": "http.request", "body": one, "more_body": True} for one in pieces or (b"",)]
    left[-1]["more_body"] = False
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(middleware(scope, receive, send))
    (start,) = [one for one in sent if one["type"] == "http.response.start"]
    return start["status"], dict(start["headers"])


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def middleware(client: Client, inner: Inner, tmp_path: Path) -> GradioMiddleware:
    """Return a middleware of the shared server's limits: bodies of 2 MB."""
    (tmp_path / "a.png").write_bytes(b"picture")
    return GradioMiddleware(inner, client.service, tmp_path.resolve())


def test_a_call_is_written_anew_from_the_little_that_it_may_say(
    middleware: GradioMiddleware, inner: Inner, tmp_path: Path
) -> None:
    path = str(tmp_path / "a.png")
    call = {
        "data": [{"path": path, "url": "http://x", "size": "?"}],
        "fn_index": 0,
        "event_data": {},
    }
    body = json.dumps(call | {"session_hash": "s", "trigger_id": "?"}).encode()
    status, headers = ask(middleware, f"{API}/queue/join", body[:9], body[9:])
    assert (status, headers[b"content-security-policy"].decode()) == (200, POLICY)
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert json.loads(inner.bodies[0]) == {"data": [picture], "fn_index": 0, "session_hash": "s"}
    assert call_of({"data": [None]}, tmp_path) == {"data": [None]}


@pytest.mark.parametrize(
    "path",
    ["http://127.0.0.1/a.png", "HTTP://x/a.png", "/etc/hostname", "../a.png", "a.png", "gone.png", "",
     ".", "a\0", "x" * 9999],
)  # fmt: skip
def test_an_address_and_any_other_file_are_refused(tmp_path: Path, path: str) -> None:
    named = path if path.startswith(("/", "H", "h")) else str(tmp_path / "in" / path)
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").write_bytes(b"picture")
    with pytest.raises(HTTPError):
        call_of({"data": [{"path": named}]}, tmp_path / "in")


@given(ANY_JSON)
@budget(max_examples=100, deadline=None)
def test_any_json_is_a_call_without_a_picture_or_is_refused(value: object) -> None:
    with suppress(HTTPError):
        assert call_of(value, Path("/nowhere"))["data"] == [None]


def test_bodies_are_bounded_whether_or_not_they_tell_their_length(
    middleware: GradioMiddleware, inner: Inner, client: Client
) -> None:
    for path in (f"{API}/call/classify", f"{API}/queue/join/", "/gradio/login", f"{API}/reset"):
        assert ask(middleware, path, length=SMALL + 1)[0] == 413
        assert ask(middleware, path, *[b"x" * 1000] * (SMALL // 1000 + 1))[0] == 413
    assert inner.bodies == []
    assert ask(middleware, f"{API}/upload", *[b"x" * 500_000] * 99)[0] == 413
    assert ask(middleware, f"{API}/upload", *[b"x" * 500_000] * 4)[0] == 200
    assert [len(body) for body in inner.bodies] == [2_000_000]
    assert client.service.memory.used == 0


def test_there_is_room_for_uploads_as_for_all_other_bodies(
    middleware: GradioMiddleware, client: Client
) -> None:
    with client.service.memory.reserve() as reservation:
        reservation.grow(client.service.settings.max_bodies)
        assert ask(middleware, f"{API}/upload", b"x", length=1)[0] == 503
    assert ask(middleware, f"{API}/upload", b"x", length=1)[0] == 200


def test_what_lies_on_the_disk_is_bounded_too_until_it_is_swept(
    middleware: GradioMiddleware, inner: Inner, client: Client, tmp_path: Path
) -> None:
    most = client.service.settings.max_bodies
    os.truncate(tmp_path / "a.png", most)  # a file of holes
    status, headers = ask(middleware, f"{API}/upload", b"x", length=1)
    assert (status, headers[b"retry-after"], inner.bodies) == (503, b"60", [])
    os.truncate(tmp_path / "a.png", most - 1)
    assert ask(middleware, f"{API}/upload", b"x", length=1)[0] == 200


def test_addresses_that_the_page_does_not_need_are_not_there(
    middleware: GradioMiddleware, inner: Inner
) -> None:
    for path in ("vibe-code", "process_recording", "call/v2/classify", "component_server"):
        assert ask(middleware, f"{API}/{path}", b"{}")[0] == 404
    assert ask(middleware, f"{API}/file=http://127.0.0.1/a", method="GET")[0] == 404
    assert inner.bodies == []
    assert ask(middleware, f"{API}/file=/tmp/a", method="GET")[0] == 200
    assert ask(middleware, "/v1/classify", b"x" * 3_000_000)[0] == 200  # checked elsewhere


def test_uploads_that_broke_off_are_removed_after_their_time(tmp_path: Path) -> None:
    for name, at in (("old", 100), ("deep/old", 100), ("new", 200)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (at, at))
    assert sweep(tmp_path, 150) == 1  # byte is left
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["new"]
