import asyncio
import gc
import time
import weakref
from functools import partial
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.errors import HTTPError
from serving.inference.queue import WorkQueue


def refuse() -> int:
    raise HTTPError(400, "truncated", "no")


def test_values_and_refusals_come_back_in_the_order_of_the_jobs() -> None:
    async def main() -> None:
        queue = WorkQueue(2, 8)
        values = await queue.run([lambda: time.sleep(0.02) or 1, refuse, lambda: 3], 5)
        assert [getattr(one, "reason", one) for one in values] == [1, "truncated", 3]
        assert await queue.run([], 5) == []
        assert queue.pending == 0
        queue.close()

    asyncio.run(main())


def test_without_room_a_request_is_refused_at_once_and_may_come_again() -> None:
    async def main() -> None:
        queue, gate = WorkQueue(1, 2), Event()
        first = asyncio.create_task(queue.run([gate.wait, gate.wait], 5))
        await asyncio.sleep(0)
        with pytest.raises(HTTPError) as caught:
            await queue.run([lambda: 1], 5)
        assert (caught.value.status, dict(caught.value.headers)) == (503, {"Retry-After": "1"})
        gate.set()
        await first
        assert await queue.run([lambda: 1] * 3, 5) == [1, 1, 1]  # alone: more than fits
        queue.close()

    asyncio.run(main())


def test_a_late_request_is_given_up_and_its_waiting_jobs_never_run() -> None:
    async def main() -> None:
        queue, gate, ran = WorkQueue(1, 8), Event(), []
        with pytest.raises(HTTPError) as caught:
            await queue.run([gate.wait, lambda: ran.append(1)], 0.05)
        assert caught.value.status == 504
        gate.set()
        assert await queue.run([lambda: 1], 5) == [1]
        assert (ran, queue.pending) == ([], 0)
        queue.close()

    asyncio.run(main())


def test_what_a_job_raises_unforeseen_is_raised_and_the_others_are_done() -> None:
    async def main() -> None:
        queue, done = WorkQueue(1, 8), Event()

        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await queue.run([fail, done.set], 5)
        assert (done.is_set(), queue.pending) == (True, 0)
        assert await queue.run([lambda: 1], 5) == [1]
        queue.close()

    asyncio.run(main())


def pair(n: int, k: int) -> tuple[int, int]:
    return n, k


@given(st.integers(1, 4), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=25, deadline=None)
def test_every_request_gets_its_own_values(workers: int, requests: list[int]) -> None:
    async def main() -> None:
        queue = WorkQueue(workers, 1000)
        runs = [
            queue.run([partial(pair, n, k) for k in range(count)], 5)
            for n, count in enumerate(requests)
        ]
        values = await asyncio.gather(*runs)
        assert values == [[(n, k) for k in range(count)] for n, count in enumerate(requests)]
        assert queue.pending == 0
        queue.close()

    asyncio.run(main())


def test_a_refusal_does_not_keep_what_its_job_held() -> None:
    held: list[weakref.ref[set[int]]] = []

    def job() -> int:
        picture = {1}
        held.append(weakref.ref(picture))
        raise HTTPError(400, "truncated", f"one of {len(picture)}") from ValueError("damaged")

    async def main() -> None:
        queue = WorkQueue(1, 8)
        (error,) = await queue.run([job], 5)
        assert (getattr(error, "status", 0), getattr(error, "detail", "")) == (400, "one of 1")
        queue.close()

    gc.disable()  # it would find the ring, some day
    try:
        asyncio.run(main())
        assert [ref() for ref in held] == [None]
    finally:
        gc.enable()
