import asyncio
import gc
import time
import weakref
from functools import partial
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.errors import RefusalError
from serving.inference.queue import Desk


def refuse() -> int:
    raise RefusalError(400, "truncated", "no")


def test_values_and_refusals_come_back_in_the_order_of_the_jobs() -> None:
    async def main() -> None:
        desk = Desk(2, 8)
        found = await desk.run([lambda: time.sleep(0.02) or 1, refuse, lambda: 3], 5)
        assert [getattr(one, "reason", one) for one in found] == [1, "truncated", 3]
        assert await desk.run([], 5) == []
        assert desk.pending == 0
        desk.close()

    asyncio.run(main())


def test_without_room_a_request_is_refused_at_once_and_may_come_again() -> None:
    async def main() -> None:
        desk, gate = Desk(1, 2), Event()
        first = asyncio.create_task(desk.run([gate.wait, gate.wait], 5))
        await asyncio.sleep(0)
        with pytest.raises(RefusalError) as caught:
            await desk.run([lambda: 1], 5)
        assert (caught.value.status, dict(caught.value.headers)) == (503, {"Retry-After": "1"})
        gate.set()
        await first
        assert await desk.run([lambda: 1] * 3, 5) == [1, 1, 1]  # alone: more than fits
        desk.close()

    asyncio.run(main())


def test_a_late_request_is_given_up_and_its_waiting_jobs_never_run() -> None:
    async def main() -> None:
        desk, gate, ran = Desk(1, 8), Event(), []
        with pytest.raises(RefusalError) as caught:
            await desk.run([gate.wait, lambda: ran.append(1)], 0.05)
        assert caught.value.status == 504
        gate.set()
        assert await desk.run([lambda: 1], 5) == [1]
        assert (ran, desk.pending) == ([], 0)
        desk.close()

    asyncio.run(main())


def test_what_a_job_raises_unforeseen_is_raised_and_the_others_are_done() -> None:
    async def main() -> None:
        desk, done = Desk(1, 8), Event()

        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await desk.run([fail, done.set], 5)
        assert (done.is_set(), desk.pending) == (True, 0)
        assert await desk.run([lambda: 1], 5) == [1]
        desk.close()

    asyncio.run(main())


def pair(n: int, k: int) -> tuple[int, int]:
    return n, k


@given(st.integers(1, 4), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=25, deadline=None)
def test_every_request_gets_its_own_values(workers: int, requests: list[int]) -> None:
    async def main() -> None:
        desk = Desk(workers, 1000)
        asked = [
            desk.run([partial(pair, n, k) for k in range(count)], 5)
            for n, count in enumerate(requests)
        ]
        found = await asyncio.gather(*asked)
        assert found == [[(n, k) for k in range(count)] for n, count in enumerate(requests)]
        assert desk.pending == 0
        desk.close()

    asyncio.run(main())


def test_a_refusal_does_not_keep_what_its_job_held() -> None:
    held: list[weakref.ref[set[int]]] = []

    def job() -> int:
        picture = {1}
        held.append(weakref.ref(picture))
        raise RefusalError(400, "truncated", f"one of {len(picture)}") from ValueError("damaged")

    async def main() -> None:
        desk = Desk(1, 8)
        (found,) = await desk.run([job], 5)
        assert (getattr(found, "status", 0), getattr(found, "detail", "")) == (400, "one of 1")
        desk.close()

    gc.disable()  # it would find the ring, some day
    try:
        asyncio.run(main())
        assert [ref() for ref in held] == [None]
    finally:
        gc.enable()
