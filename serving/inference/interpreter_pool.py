"""Share a model's interpreters among threads; one is of several threads while requests come singly."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Condition
from typing import Any, Literal, Protocol
from weakref import WeakMethod

import numpy as np
from numpy.typing import NDArray

from sceneset.errors import DamagedDataError
from sceneset.progress import STDERR, without_native_chatter
from serving.inference.memory import give_freed_back, mapped_copy

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


Outputs = tuple[NDArray[np.float32], ...]


class Interpreters:
    """One single-thread interpreter per worker; threads take turns through a queue.

    Two interpreters of one thread answer 1.1 times as many pictures as one of two threads, and
    batches lower the rate. `takes` and `gives` are the shapes of the input and of each output.
    """

    def __init__(self, path: Path, workers: int) -> None:
        """Load the model `workers` times. Raises DamagedDataError when it cannot be run."""
        self._path = path
        self._idle: SimpleQueue[Any] = SimpleQueue()
        data = read_model(path)
        with without_native_chatter(STDERR), mapped_copy(data) as copy:
            loaded = [load_interpreter(path, copy or data) for _ in range(workers)]
        for interpreter in loaded:
            self._idle.put(interpreter)
        self._input = loaded[0].get_input_details()[0]["index"]
        self._outputs = [one["index"] for one in loaded[0].get_output_details()]
        self.takes = [int(n) for n in loaded[0].get_input_details()[0]["shape"]]
        self.gives = [[int(n) for n in one["shape"]] for one in loaded[0].get_output_details()]

    def run(self, picture: NDArray[np.uint8]) -> Outputs:
        """Return each output for a picture uint8[size, size, 3], float32 without the batch axis."""
        value = picture[np.newaxis].astype(np.float32)
        interpreter = self._idle.get()
        try:
            interpreter.set_tensor(self._input, value)
            interpreter.invoke()
            return tuple(interpreter.get_tensor(place)[0] for place in self._outputs)
        finally:
            self._idle.put(interpreter)

    def misfit(self, why: str) -> DamagedDataError:
        """Return the error of a model that is not what its bundle says."""
        return misfit(self._path, why)


def read_model(path: Path) -> bytes:
    """Return a model's bytes. Raises DamagedDataError when its bundle does not hold it.

    Read once for all interpreters. They never map the bundle's own file: one that shrinks under
    them would end the process.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read: {error.strerror}", cure="train again or restore the bundle"
        ) from error


def load_interpreter(path: Path, model: bytes | str, threads: int = 1) -> Any:  # noqa: ANN401  LiteRT has no types
    """Return an interpreter of a model's bytes, or of a copy of them that it maps.

    The weights are packed anew for each interpreter; of a copy in a file no second one stays in
    memory. `path` is for errors. Raises DamagedDataError when it cannot be run.
    """
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  an extra

    try:
        given = {"model_path": model} if isinstance(model, str) else {"model_content": model}
        interpreter = Interpreter(**given, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise misfit(path, str(error)) from error
    return interpreter


def misfit(path: Path, why: str) -> DamagedDataError:
    """Return the error of a model that is not what its bundle says."""
    return DamagedDataError(
        f"{path} cannot be run: {why}", cure="train again or restore the bundle"
    )
