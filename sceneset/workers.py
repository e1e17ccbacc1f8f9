"""Map a pure function over items in order: one process, threads, processes or a Ray cluster.

An item that fails gives a result with its error; the others go on. At most four items per worker
are in flight. Functions must be picklable (defined at a module's top level) and pure: only the
caller writes.
"""

import multiprocessing
import os
import pickle
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, Generic, TypeVar, cast

from sceneset.errors import SettingsError
from sceneset.signals import end_with_parent, interrupts_held

IN_FLIGHT_PER_WORKER = 4
_SPEC = re.compile(r"(serial|ray)|(local)(?::(\d+))?|(threads):(\d+)|(ray://[^\s:]+:\d+)")

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Result(Generic[Item, Value]):
    """One item with its value, or with its error."""

    item: Item
    value: Value | None = None
    error: Exception | None = None

    def get(self) -> Value:
        """Return the value. Raises the error."""
        if self.error is not None:
            raise self.error
        return cast("Value", self.value)


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers of which kind; `address` is a Ray cluster's or empty for a local one."""

    kind: str
    count: int = 1
    address: str = ""


def parse_executor(spec: str) -> Workers:
    """Read `serial`, `local`, `local:N`, `threads:N`, `ray` or `ray://HOST:PORT`.

    Raises SettingsError for anything else and for zero workers.
    """
    match = _SPEC.fullmatch(spec)
    count = int((match and (match[3] or match[5])) or os.cpu_count() or 1)
    if match is None or count < 1 or (match[5] or match[3]) == "0":
        raise SettingsError(
            f"--executor {spec!r} is not known",
            cure="use serial, local, local:N, threads:N, ray or ray://HOST:PORT",
        )
    if match[6]:
        return Workers("ray", count, match[6])
    kind = match[1] or match[2] or match[4]
    return Workers(kind, 1 if kind == "serial" else count)


def map_items(
    function: Callable[[Item], Value], items: Iterable[Item], executor: str
) -> Iterator[Result[Item, Value]]:
    """Yield one result per item, in the order of the items."""
    workers = parse_executor(executor)
    if workers.kind == "serial":
        return (_attempt(function, item) for item in items)
    if workers.kind == "ray":
        return _on_ray(function, items, workers)
    make_pool = ThreadPoolExecutor if workers.kind == "threads" else _processes
    return _pooled(function, items, make_pool, workers.count)


def _processes(count: int) -> Executor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_prepare_worker)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the caller, and outlive it in no case."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _attempt(function: Callable[[Item], Value], item: Item) -> Result[Item, Value]:
    try:
        return Result(item, function(item))
    except Exception as error:  # noqa: BLE001  one item's failure belongs to its result
        return Result(item, error=error)


def _pooled(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    make_pool: Callable[[int], Executor],
    count: int,
) -> Iterator[Result[Item, Value]]:
    queue = iter(items)
    pool = make_pool(count)
    waiting: deque[tuple[Item, Future[Value]]] = deque()
    try:
        while True:
            room = IN_FLIGHT_PER_WORKER * count - len(waiting)
            for item in islice(queue, room):
                waiting.append((item, _submitted(pool, function, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                yield Result(item, future.result())
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                yield from (_alone(function, one) for one in [item, *(i for i, _ in waiting)])
                waiting.clear()
                pool = make_pool(count)
            except Exception as error:  # noqa: BLE001  one item's failure belongs to its result
                yield Result(item, error=error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submitted(pool: Executor, function: Callable[[Item], Value], item: Item) -> "Future[Value]":
    """Submit an item; a pool that is broken already gives a future that says so."""
    try:
        if isinstance(pool, ThreadPoolExecutor):
            return pool.submit(function, item)
        # A worker that still imports would print a traceback.
        with interrupts_held(), _script_left_out(function):
            return pool.submit(function, item)
    except BrokenProcessPool as error:
        future: Future[Value] = Future()
        future.set_exception(error)
        return future


@contextmanager
def _script_left_out(function: Callable[..., object]) -> Iterator[None]:
    """Keep a new process from running the caller's script once more, unless the function is in it."""
    main: Any = sys.modules["__main__"]
    named = main.__spec__, getattr(main, "__file__", None)
    if b"__main__" not in pickle.dumps(function):
        main.__spec__ = main.__file__ = None
    try:
        yield
    finally:
        main.__spec__, main.__file__ = named


def _alone(function: Callable[[Item], Value], item: Item) -> Result[Item, Value]:
    """Run one item in a process of its own, so that the one that kills workers is found."""
    with _processes(1) as pool:  # a dead worker is this item's failure
        return _attempt(lambda one: _submitted(pool, function, one).result(), item)


def _on_ray(
    function: Callable[[Item], Value], items: Iterable[Item], workers: Workers
) -> Iterator[Result[Item, Value]]:
    import ray  # noqa: PLC0415  an extra, and 9 s to start

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address=workers.address or None,
        include_dashboard=None if workers.address else False,
        log_to_driver=False,
        ignore_reinit_error=True,
    )

    def run(item: Item) -> Value:  # Ray takes functions only, and ours may be a partial
        return function(item)

    remote: Any = ray.remote(run)
    count = int(ray.cluster_resources().get("CPU", workers.count))
    queue = iter(items)
    waiting: deque[tuple[Item, Any]] = deque()
    try:
        while True:
            room = IN_FLIGHT_PER_WORKER * count - len(waiting)
            waiting.extend((item, remote.remote(item)) for item in islice(queue, room))
            if not waiting:
                return
            item, reference = waiting.popleft()
            try:
                yield Result(item, ray.get(reference))
            except Exception as error:  # noqa: BLE001  one item's failure belongs to its result
                yield Result(item, error=error)
    finally:
        ray.shutdown()


CHUNK = 32
# Starting processes costs more than this many pictures that are known to decode.
FEW = 300


def map_chunked(
    function: Callable[[Item], Value], items: Sequence[Item], executor: str, *, few: int = 1
) -> Iterator[Result[Item, Value]]:
    """Yield one result per item, in the order of the items.

    Up to `few` items run in this process, where a decoder that dies takes the run along. When a
    chunk's worker dies, its items are tried one by one, so that only the one that kills it fails.
    """
    workers = parse_executor(executor)
    if len(items) <= (few if workers.kind == "local" else 1):
        return map_items(function, items, "serial")
    if workers.kind == "serial":
        return map_items(function, items, executor)
    size = max(1, min(CHUNK, -(-len(items) // (4 * workers.count))))
    pieces = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
    done = map_items(partial(_one_by_one, function), pieces, executor)
    return chain.from_iterable(_opened(function, result, executor) for result in done)


def _one_by_one(
    function: Callable[[Item], Value], items: tuple[Item, ...]
) -> list[Result[Item, Value]]:
    return list(map_items(function, items, "serial"))


def _opened(
    function: Callable[[Item], Value],
    result: Result[tuple[Item, ...], list[Result[Item, Value]]],
    executor: str,
) -> Iterator[Result[Item, Value]]:
    if result.value is not None:
        return iter(result.value)
    return map_items(function, result.item, executor)
