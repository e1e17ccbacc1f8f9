"""Fakes around a pool: interpreters that wait at a gate, a clock that stands, a background by hand."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.inference.interpreter_pool import InterpreterPool

ONE = np.ones(1, np.float32)
LIMIT_S = 20
HELD: "SimpleQueue[Fake]" = SimpleQueue()


@dataclass
class Loads:
    """Load interpreters that answer with their number of threads, and count what lives."""

    alive: int = 0
    most: int = 0
    loaded: list[int] = field(default_factory=list)
    broken: bool = False
    lock: Lock = field(default_factory=Lock)

    def __call__(self, threads: int) -> "Fake":
        """Load one."""
        if self.broken:
            raise MemoryError("no room")
        self.loaded.append(threads)
        self.count(1)
        interpreter = Fake(threads)
        weakref.finalize(interpreter, self.count, -1)
        return interpreter

    def count(self, step: int) -> None:
        """Note one more, or one less."""
        with self.lock:
            self.alive += step
            self.most = max(self.most, self.alive)


class Fake:
    """An interpreter whose answer is what it was given and its threads; 0 is answered at the gate."""

    def __init__(self, threads: int) -> None:
        """Close the gate."""
        self.threads = threads
        self.gate = Event()
        self.busy = Lock()

    def shapes(self) -> tuple[list[int], list[list[int]]]:
        """Return none."""
        return [], []

    def run(self, values: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Answer, and see that no other thread does."""
        assert self.busy.acquire(blocking=False), "two threads run one interpreter"
        if not values[0]:
            HELD.put(self)
            assert self.gate.wait(LIMIT_S)
        self.busy.release()
        return [np.array([values[0], self.threads], np.float32)]


@dataclass
class Scene:
    """A pool whose clock stands, and whose background runs when the test says so."""

    workers: int = 2
    now: float = 100.0
    loads: Loads = field(default_factory=Loads)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Load the interpreters."""
        self.pool = InterpreterPool(
            self.loads,
            self.workers,
            threads=self.workers,
            background=self.waiting.append,
            clock=lambda: self.now,
        )

    def ask(self, *, alone: bool) -> int:
        """Return the threads of the interpreter that answered."""
        return int(self.pool.run(ONE, alone=alone)[0][1])

    def background(self) -> int:
        """Run what waits; return how much that was."""
        calls, self.waiting[:] = list(self.waiting), []
        for call in calls:
            call()
        return len(calls)


def hold(
    pool: InterpreterPool, threads: ThreadPoolExecutor, *, alone: bool
) -> tuple[Fake, "Future[object]"]:
    """Occupy an interpreter until its gate opens."""
    answer: Future[object] = threads.submit(pool.run, ONE * 0, alone=alone)
    return HELD.get(timeout=LIMIT_S), answer
