"""Share a model's interpreters among threads; one has several threads while jobs come one at a time."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Condition
from typing import Any, Literal, Protocol
from weakref import WeakMethod

import numpy as np
from numpy.typing import NDArray

from sceneset.progress import STDERR, without_native_chatter
from serving.inference.memory import trim_heap

LOG = logging.getLogger("serving")
# With so many threads an interpreter is hardly faster with one more.
MAX_THREADS = 4
QUIET_S = 2.0
Kind = Literal["single", "multi"]
Background = Callable[[Callable[[], None]], object]
Outputs = list[NDArray[np.float32]]


class Interpreter(Protocol):
    """A loaded model that one thread runs at a time."""

    def shapes(self) -> tuple[list[int], list[list[int]]]:
        """Return the shapes of the one input and of each output."""

    def run(self, values: NDArray[Any]) -> Outputs:
        """Return each output without its batch axis for values[size, size, 3] in the model's range."""


def swap_due(*, multi: bool, alone: bool, quiet_s: float) -> Kind | None:
    """Return the kind of interpreter to load in place of one of the other kind, as a job begins.

    `multi` says that one is multi-threaded, `alone` that no other job is waiting or at work;
    `quiet_s` is for how long no two jobs have met.
    """
    if multi:
        return None if alone else "single"
    return "multi" if alone and quiet_s >= QUIET_S else None


def threads_for_one_job(workers: int, cores: int) -> int:
    """Return the threads of the interpreter for lone jobs; 1 when more are of no use."""
    return max(1, min(workers, cores, MAX_THREADS))


class InterpreterPool:
    """As many interpreters as workers: all single-threaded, or one multi-threaded for lone jobs.

    The multi-threaded one is replaced when two jobs are at work at once, and comes back when none
    were for QUIET_S seconds. There is one more than `workers` only during a replacement.
    """

    def __init__(
        self,
        load: Callable[[int], Interpreter],
        workers: int,
        *,
        threads: int = 1,
        background: Background | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the interpreters: `load` takes a number of threads, `threads` is for lone jobs.

        `background` has a function called by the thread that loads models. Without it, or with one
        worker or one thread, all are single-threaded for good. Raises what `load` raises.
        """
        swaps = background is not None and min(workers, threads) > 1
        self._load = load if swaps else None
        self._background = background
        self._threads: dict[Kind, int] = {"single": 1, "multi": threads}
        self._idle: dict[Kind, list[Interpreter]] = {"single": [], "multi": []}
        self._multi = self._may_swap = swaps
        self._busy_at = clock()  # when two jobs last met
        self._clock = clock
        self._changed = Condition()
        with without_native_chatter(STDERR):
            for place in range(workers):
                kind: Kind = "multi" if swaps and place == 0 else "single"
                self._idle[kind].append(load(self._threads[kind]))

    def run(self, values: NDArray[Any], *, alone: bool = False) -> Outputs:
        """Run an interpreter that is free, or else the first that comes free; see `Interpreter.run`.

        `alone` says that no other job is waiting or at work. Safe to call from several threads.
        """
        self._request_swap(alone=alone)
        preferred: tuple[Kind, Kind] = ("multi", "single") if alone else ("single", "multi")
        with self._changed:
            self._changed.wait_for(lambda: any(self._idle.values()))
            kind = next(kind for kind in preferred if self._idle[kind])
            interpreter = self._idle[kind].pop()
        try:
            return interpreter.run(values)
        finally:
            self._release(kind, interpreter)

    def retire(self) -> None:
        """Swap no more: another model is in service."""
        with self._changed:
            self._may_swap = False
            self._load = None

    def _request_swap(self, *, alone: bool) -> None:
        """Have interpreters swapped in the background when that is due."""
        with self._changed:
            now = self._clock()
            if not alone:
                self._busy_at = now
            due = swap_due(multi=self._multi, alone=alone, quiet_s=now - self._busy_at)
            if due is None or not self._may_swap or self._background is None:
                return
            self._may_swap = False
        # What waits to be called must not keep a model in memory that is no longer served.
        with suppress(RuntimeError):  # the server is stopping
            self._background(partial(_call, WeakMethod(self._swap), due))

    def _release(self, kind: Kind, interpreter: Interpreter) -> None:
        with self._changed:
            self._idle[kind].append(interpreter)
            self._changed.notify_all()

    def _swap(self, coming: Kind) -> None:
        """Load an interpreter of a kind, and drop one of the other once it is idle."""
        load = self._load
        if load is None:
            return
        try:
            self._release(coming, load(self._threads[coming]))
        except Exception as error:  # noqa: BLE001  whatever it is, the pool goes on, and swaps no more
            LOG.error("the networks in service stay as they are: %s", error)  # noqa: TRY400  a trace says no more
            return
        leaving = self._idle["multi" if coming == "single" else "single"]
        with self._changed:
            self._changed.wait_for(lambda: leaving)
            leaving.pop()
        trim_heap()
        with self._changed:
            self._multi = coming == "multi"
            self._may_swap = self._load is not None


def _call(method: "WeakMethod[Callable[[Kind], None]]", kind: Kind) -> None:
    alive = method()
    if alive is not None:
        alive(kind)
