"""Map a function over many small items, a chunk of them at a time, as if one by one."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

from pipeline.workers import Result, map_items, parse_executor

CHUNK = 32
# Starting processes costs more than this many pictures that are known to decode.
FEW = 300

Item = TypeVar("Item")
Value = TypeVar("Value")


def map_chunked(
    function: Callable[[Item], Value], items: Sequence[Item], executor: str, *, few: int = 1
) -> Iterator[Result[Item, Value]]:
    """Yield one result per item, in the order of the items.

    Up to `few` items run in this process, where a decoder that dies takes the run along. When a chunk's worker dies, its items are tried one by one, so
    that only the one that kills workers fails.
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
