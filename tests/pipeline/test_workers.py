import os

import pytest

from pipeline.errors import SettingsError
from pipeline.workers import Workers, map_items, parse_executor


def double(number: int) -> int:
    """Double a number; refuse 3; die at 5."""
    if number == 3:
        raise ValueError("three")
    if number == 5:
        os._exit(9)
    return 2 * number


@pytest.mark.parametrize("executor", ["serial", "threads:3", "local:2"])
def test_results_come_in_order_and_one_failure_stays_alone(executor: str) -> None:
    results = list(map_items(double, [1, 2, 3, 4], executor))
    assert [r.item for r in results] == [1, 2, 3, 4]
    assert [r.value for r in results] == [2, 4, None, 8]
    assert isinstance(results[2].error, ValueError)


def test_an_item_that_kills_its_worker_is_found_and_the_others_are_done() -> None:
    results = list(map_items(double, range(9), "local:2"))
    assert [r.item for r in results if r.error is not None] == [3, 5]
    assert [r.value for r in results if r.error is None] == [0, 2, 4, 8, 12, 14, 16]


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(1000):
            taken.append(number)
            yield number

    results = map_items(abs, items(), "threads:1")  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 5


@pytest.mark.parametrize(
    ("spec", "workers"),
    [
        ("serial", Workers("serial", 1)),
        ("local:3", Workers("local", 3)),
        ("local", Workers("local", os.cpu_count() or 1)),
        ("threads:2", Workers("threads", 2)),
        ("ray://host:10001", Workers("ray", os.cpu_count() or 1, "ray://host:10001")),
    ],
)
def test_an_executor_is_read_from_its_name(spec: str, workers: Workers) -> None:
    assert parse_executor(spec) == workers


@pytest.mark.parametrize(
    "spec", ["", "locl", "local:0", "local:-1", "threads", "ray://", "serial:2"]
)
def test_an_unknown_executor_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match="--executor"):
        parse_executor(spec)
