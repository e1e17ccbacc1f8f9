"""Hand jobs to a few threads, refuse what would wait too long, give up on what is late."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Generic, TypeVar, cast

from serving.http.errors import HTTPError, busy

Value = TypeVar("Value")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkQueue:
    """Run jobs on `workers` threads; at most `capacity` jobs are waiting or running."""

    def __init__(self, workers: int, capacity: int) -> None:
        """Start no thread yet."""
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="engine")
        self._workers = workers
        self._capacity = capacity
        self._lock = Lock()
        self.pending = 0

    async def run(
        self, jobs: Sequence[Callable[[], Value]], seconds: float
    ) -> list[Value | HTTPError]:
        """Return each job's value, or the HTTPError it raised, in the order of the jobs.

        A request is taken whole or not at all. Raises HTTPError: 503 when there is no room, 504
        when the jobs are not done after `seconds`; those that have not begun then never run.
        """
        self.check_room(len(jobs))
        if not jobs:
            return []
        loop = asyncio.get_running_loop()
        waiting, deadline = deque(enumerate(jobs)), perf_counter() + seconds
        batch = _Batch(waiting, deadline, len(jobs), {}, asyncio.Event())
        with self._lock:
            self.pending += len(jobs)
        try:
            for _ in range(min(self._workers, len(jobs))):
                self._threads.submit(self._work_on, batch, loop)
            async with asyncio.timeout(seconds):
                await batch.done.wait()
        except TimeoutError as error:
            raise HTTPError(504, "deadline", f"No answer within {seconds:g} seconds") from error
        finally:
            with self._lock:
                self.pending -= len(waiting)
                waiting.clear()
        return batch.values()

    def check_room(self, jobs: int) -> None:
        """Raise HTTPError (503) when so many jobs more would wait too long."""
        if self.pending and self.pending + jobs > self._capacity:
            raise busy("Too many pictures are waiting; try again soon")

    def close(self) -> None:
        """Drop what waits and stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _work_on(self, batch: "_Batch[Value]", loop: asyncio.AbstractEventLoop) -> None:
        """Do jobs of a request until none is left; wake the event loop once, after the last one.

        A future per job would wake it several times for each.
        """
        while True:
            with self._lock:
                if not batch.waiting:
                    return
                place, job = batch.waiting.popleft()
            batch.outcomes[place] = _outcome(job, batch.deadline)
            with self._lock:
                self.pending -= 1
                batch.left -= 1
                last = batch.left == 0
            if last:
                with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                    loop.call_soon_threadsafe(batch.done.set)


@dataclass
class _Batch(Generic[Value]):
    """The jobs of one request, which several threads take from, and their outcomes by place."""

    waiting: deque[tuple[int, Callable[[], Value]]]
    deadline: float
    left: int
    outcomes: dict[int, Value | HTTPError | Exception]
    done: asyncio.Event

    def values(self) -> list[Value | HTTPError]:
        """Return the outcomes in the order of the jobs. Raises what a job raised unforeseen."""
        outcomes = [self.outcomes[place] for place in sorted(self.outcomes)]
        for one in outcomes:
            if isinstance(one, Exception) and not isinstance(one, HTTPError):
                raise one
        return cast("list[Value | HTTPError]", outcomes)


def _outcome(job: Callable[[], Value], deadline: float) -> Value | HTTPError | Exception:
    if perf_counter() > deadline:  # nobody waits for it any more
        return HTTPError(504, "deadline", "The request is late")
    try:
        return job()
    except HTTPError as error:
        # What led to it holds the job's picture, in a ring with the future's result.
        return error.at(error.index)
    except Exception as error:  # noqa: BLE001  the other jobs go on; raised by `values`
        return error
