"""Hand work to a few threads, refuse what would wait too long, give up on what is late."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from time import perf_counter
from typing import Generic, TypeVar, cast

from serving.http.errors import RefusalError

Value = TypeVar("Value")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Desk:
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
    ) -> list[Value | RefusalError]:
        """Return each job's value, or the RefusalError it raised, in the order of the jobs.

        A request is taken whole or not at all. Raises RefusalError: 503 when there is no room, 504
        when the jobs are not done after `seconds`; those that have not begun then never run.
        """
        self.check_room(len(jobs))
        if not jobs:
            return []
        loop = asyncio.get_running_loop()
        work = _Work(jobs, perf_counter() + seconds, loop.create_future())
        self._count(len(jobs))
        try:
            for _ in range(min(self._workers, len(jobs))):
                self._threads.submit(self._do, work, loop)
            async with asyncio.timeout(seconds):
                await work.done
        except TimeoutError as error:
            detail = f"No answer within {seconds:g} seconds"
            raise RefusalError(504, "deadline", detail) from error
        finally:
            self._count(-work.drop())
        return work.values()

    def check_room(self, jobs: int) -> None:
        """Raise RefusalError (503) when so many jobs more would wait too long."""
        if self.pending and self.pending + jobs > self._capacity:
            detail = "Too many pictures are waiting; try again soon"
            raise RefusalError(503, "queue_full", detail, headers=(("Retry-After", "1"),))

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _do(self, work: "_Work[Value]", loop: asyncio.AbstractEventLoop) -> None:
        """Do jobs of a request until none is left; wake the event loop once, at the last one's end.

        A future per job would wake it several times for each.
        """
        while work.do_next():
            self._count(-1)
            with self._lock:
                work.left -= 1
                last = work.left == 0
            if last:
                with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                    loop.call_soon_threadsafe(work.finish)

    def _count(self, jobs: int) -> None:
        with self._lock:
            self.pending += jobs


class _Work(Generic[Value]):
    """The jobs of one request, which several threads take from."""

    def __init__(
        self, jobs: Sequence[Callable[[], Value]], until: float, done: "asyncio.Future[None]"
    ) -> None:
        self.done = done
        self.left = len(jobs)
        self._waiting = deque(enumerate(jobs))
        self._until = until
        self._found: dict[int, Value | RefusalError | Exception] = {}

    def do_next(self) -> bool:
        """Do one job; return False when none is left."""
        try:
            place, job = self._waiting.popleft()
        except IndexError:
            return False
        self._found[place] = self._outcome(job)
        return True

    def finish(self) -> None:
        """Say in the event loop that every job is done."""
        if not self.done.done():
            self.done.set_result(None)

    def drop(self) -> int:
        """Forget the jobs that have not begun; return how many."""
        dropped = 0
        with suppress(IndexError):
            while True:
                self._waiting.popleft()
                dropped += 1
        return dropped

    def values(self) -> list[Value | RefusalError]:
        """Return the outcomes in the order of the jobs. Raises what a job raised unforeseen."""
        found = [self._found[place] for place in sorted(self._found)]
        for one in found:
            if isinstance(one, Exception) and not isinstance(one, RefusalError):
                raise one
        return cast("list[Value | RefusalError]", found)

    def _outcome(self, job: Callable[[], Value]) -> Value | RefusalError | Exception:
        if perf_counter() > self._until:  # nobody waits for it any more
            return RefusalError(504, "deadline", "The request is late")
        try:
            return job()
        except RefusalError as refusal:
            # What led to it holds the job's picture, in a ring with the future's result.
            return refusal.alone()
        except Exception as error:  # noqa: BLE001  the other jobs go on; raised by `values`
            return error
