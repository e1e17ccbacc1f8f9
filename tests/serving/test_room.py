"""The memory that bodies may take together."""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_model_support import RED, Client

from serving.refusal import RefusalError
from serving.room import Room
from serving.settings import ServeSettings

PNG = {"Content-Type": "image/png"}
HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"


@given(st.lists(st.integers(0, 10), max_size=12))
def test_what_is_held_together_never_passes_the_limit_but_for_one_body_alone(
    sizes: list[int],
) -> None:
    room, held = Room(8), []
    for size in sizes:
        try:
            block = room.hold(size)
            block.__enter__()
        except RefusalError:
            assert room.held + size > 8
            continue
        held.append((block, size))
        assert room.held == sum(one for _, one in held)
        assert room.held <= 8 or len([one for _, one in held if one]) == 1
    for block, _ in held:
        block.__exit__(None, None, None)
    assert room.held == 0


def test_a_body_that_finds_no_room_is_503_and_later_taken(
    serve: Callable[[ServeSettings], AbstractContextManager[Client]], model: Path
) -> None:
    settings = ServeSettings(model=model, workers=1, watch=0, max_body_mb=1, max_bodies_mb=0.9)
    with serve(settings) as client:
        with socket.create_connection(("127.0.0.1", client.port), 10) as other:
            other.sendall(HEAD)
            wait_until(lambda: client.service.room.held == 900_000)
            full = client.post("/v1/classify", RED, PNG)
            assert (full.status, full.headers["retry-after"]) == (503, "1")
            assert client.get("/healthz").status == 200
        wait_until(lambda: client.service.room.held == 0)
        assert client.post("/v1/classify", RED, PNG).status == 200


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("it never came true")
