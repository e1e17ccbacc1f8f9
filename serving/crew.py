"""Share a model's networks among threads; one is of several threads while requests come singly."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from threading import Condition
from typing import Literal, Protocol
from weakref import WeakMethod

import numpy as np
from numpy.typing import NDArray

from serving.memory import give_freed_back

LOG = logging.getLogger("serving")
# Of so many threads a network is hardly faster with one more.
WIDEST = 4
QUIET_S = 2.0
Kind = Literal["narrow", "wide"]
Later = Callable[[Callable[[], None]], object]


class Network(Protocol):
    """A loaded model that one thread runs at a time."""

    def shapes(self) -> tuple[list[int], list[int]]:
        """Return the shapes of the first input and the first output."""

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[classes] for float32[size, size, 3] in the model's own range."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a crew has, whether it may change now, and when it last had two jobs at once, in s."""

    wide: bool
    free_to_swap: bool
    busy_at: float


def swap_due(watch: Watch, now: float, *, alone: bool) -> Kind | None:
    """Return the kind of network that is to come in, for the other kind, when a job begins."""
    if not watch.free_to_swap:
        return None
    if watch.wide:
        return None if alone else "narrow"
    return "wide" if alone and now - watch.busy_at >= QUIET_S else None


def wide_threads(workers: int, cores: int) -> int:
    """Return the threads of the wide network; 1 when a wide one is of no use."""
    return max(1, min(workers, cores, WIDEST))


class _Member:
    """A network of the crew."""

    def __init__(self, kind: Kind, network: Network) -> None:
        self.kind = kind
        self.network = network


class Crew:
    """As many networks as workers: narrow ones of one thread, and a wide one for lone jobs.

    The wide one leaves when two jobs are at work at once, and comes back when for QUIET_S seconds
    none were. There is one more than `workers` only while they are swapped.
    """

    def __init__(
        self,
        load: Callable[[int], Network],
        workers: int,
        *,
        threads: int = 1,
        later: Later | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the networks: `load` takes the number of threads, `threads` is that of the wide one.

        `later` has a function called by the thread that loads models. Without it, or with one
        worker or one thread, all are narrow for good. Raises what `load` raises.
        """
        swaps = later is not None and min(workers, threads) > 1
        self._workers, self._clock = workers, clock
        self._load = load if swaps else None
        self._later = later if swaps else None
        self._threads: dict[Kind, int] = {"narrow": 1, "wide": threads}
        self._idle: dict[Kind, list[_Member]] = {"narrow": [], "wide": []}
        self._leaving: Kind | None = None
        self._left: SimpleQueue[_Member] = SimpleQueue()
        self._watch = Watch(wide=swaps, free_to_swap=swaps, busy_at=clock())
        self._came = Condition()
        for place in range(workers):
            kind: Kind = "wide" if swaps and place == 0 else "narrow"
            self._idle[kind].append(_Member(kind, load(self._threads[kind])))

    def run(self, values: NDArray[np.float32], *, alone: bool = False) -> NDArray[np.float32]:
        """Run a network that is free, or else the first that comes free; see `Network.run`.

        `alone` says that no other job is waiting or at work. Safe to call from several threads.
        """
        self._look(alone=alone)
        member = self._take(alone=alone)
        try:
            return member.network.run(values)
        finally:
            self._give(member)

    def retire(self) -> None:
        """Swap no more: another model is in service."""
        with self._came:
            self._watch = replace(self._watch, free_to_swap=False)
            self._load = self._later = None

    def _look(self, *, alone: bool) -> None:
        """Have networks swapped in the background when that is due."""
        with self._came:
            now = self._clock()
            if not alone:
                self._watch = replace(self._watch, busy_at=now)
            due, later = swap_due(self._watch, now, alone=alone), self._later
            if due is None or later is None:
                return
            self._watch = replace(self._watch, free_to_swap=False)
        # What waits to be called must not keep a model in memory that is no longer served.
        with suppress(RuntimeError):  # the server is ending
            later(partial(_call, WeakMethod(self._swap), due))

    def _take(self, *, alone: bool) -> _Member:
        kinds: tuple[Kind, Kind] = ("wide", "narrow") if alone else ("narrow", "wide")
        with self._came:
            while True:
                for kind in kinds:
                    if self._idle[kind]:
                        return self._idle[kind].pop()
                self._came.wait()

    def _give(self, member: _Member) -> None:
        with self._came:
            if self._leaving == member.kind:
                self._leaving = None
                self._left.put(member)
                return
            self._idle[member.kind].append(member)
            self._came.notify()

    def _swap(self, coming: Kind) -> None:
        """Bring in a network of a kind, and drop one of the other after its current run."""
        with self._came:
            load = self._load
        if load is None:
            return
        try:
            member = _Member(coming, load(self._threads[coming]))
        except Exception as error:  # noqa: BLE001  whatever it is, the crew goes on, and swaps no more
            LOG.error("the networks in service stay as they are: %s", error)  # noqa: TRY400  a trace says no more
            return
        self._give(member)
        self._ask_to_leave("wide" if coming == "narrow" else "narrow")
        leaver = self._left.get()
        del leaver.network  # here, and not when the thread that ran it lets go
        give_freed_back()
        with self._came:
            free = self._later is not None
            self._watch = replace(self._watch, wide=coming == "wide", free_to_swap=free)

    def _ask_to_leave(self, kind: Kind) -> None:
        with self._came:
            if self._idle[kind]:
                self._left.put(self._idle[kind].pop())
            else:
                self._leaving = kind


def _call(method: "WeakMethod[Callable[[Kind], None]]", kind: Kind) -> None:
    alive = method()
    if alive is not None:
        alive(kind)
