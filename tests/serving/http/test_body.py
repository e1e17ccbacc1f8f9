"""The memory that bodies may take together."""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.served_model import RED, Client

from serving.http.body import MemoryBudget
from serving.http.errors import HTTPError
from serving.settings import ServeSettings

PNG = {"Content-Type": "image/png"}
HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10)), max_size=20))
def test_bodies_together_never_pass_the_limit_but_for_one_that_is_alone(
    steps: list[tuple[int, int]],
) -> None:
    budget = MemoryBudget(8)
    with ExitStack() as open_:
        reservations = [open_.enter_context(budget.reserve()) for _ in range(4)]
        for number, size in steps:
            reservation = reservations[number]
            others = budget.used - reservation.size
            if others and budget.used + size > 8:
                with pytest.raises(HTTPError, match="try again"):
                    reservation.grow(size)
            else:
                reservation.grow(size)
            assert budget.used == sum(one.size for one in reservations)
    assert budget.used == 0


def test_a_body_that_finds_no_room_is_503_and_later_taken(
    serve: Callable[[ServeSettings], AbstractContextManager[Client]], model: Path
) -> None:
    settings = ServeSettings(model=model, workers=1, watch=0, max_body_mb=1, max_bodies_mb=0.9)
    with serve(settings) as client:
        with socket.create_connection(("127.0.0.1", client.port), 10) as other:
            other.sendall(HEAD)
            assert client.post("/v1/classify", RED, PNG).status == 200
            other.sendall(bytes(900_000))
            wait_until(lambda: client.service.memory.used == 900_000)
            full = client.post("/v1/classify", RED, PNG)
            assert (full.status, full.headers["retry-after"]) == (503, "1")
            assert client.get("/healthz").status == 200
        wait_until(lambda: client.service.memory.used == 0)
        assert client.post("/v1/classify", RED, PNG).status == 200


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("it never came true")
