"""Hand work to a few threads, refuse what would wait too long, give up on what is late."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

from serving.refusal import RefusalError

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
        self._capacity = capacity
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
        until = perf_counter() + seconds
        futures = [self._submit(job, until) for job in jobs]
        _, late = await asyncio.wait(futures, timeout=seconds)
        for future in late:
            future.cancel()
        if late:
            raise RefusalError(504, "deadline", f"No answer within {seconds:g} seconds")
        return [future.result() for future in futures]

    def check_room(self, jobs: int) -> None:
        """Raise RefusalError (503) when so many jobs more would wait too long."""
        if self.pending and self.pending + jobs > self._capacity:
            detail = "Too many pictures are waiting; try again soon"
            raise RefusalError(503, "queue_full", detail, headers=(("Retry-After", "1"),))

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _submit(
        self, job: Callable[[], Value], until: float
    ) -> "asyncio.Future[Value | RefusalError]":
        def guarded() -> Value | RefusalError:
            if perf_counter() > until:  # nobody waits for it any more
                return RefusalError(504, "deadline", "The request is late")
            try:
                return job()
            except RefusalError as refusal:
                # What led to it holds the job's picture, in a ring with the future's result.
                return refusal.alone()

        future = asyncio.get_running_loop().run_in_executor(self._threads, guarded)
        self.pending += 1
        future.add_done_callback(self._finished)
        return future

    def _finished(self, _future: object) -> None:
        self.pending -= 1
