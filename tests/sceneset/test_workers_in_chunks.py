import os

import pytest

from sceneset.workers import map_chunked


def half(number: int) -> int:
    if number == 13:
        raise ValueError(number)
    return number // 2


def dies_at_70(number: int) -> int:
    if number == 70:
        os._exit(3)
    return number


@pytest.mark.parametrize("executor", ["serial", "threads:3", "local:2"])
@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_chunks_change_no_result(executor: str, number: int) -> None:
    results = list(map_chunked(half, range(number), executor))
    assert [r.item for r in results] == list(range(number))
    assert [r.value for r in results if r.item != 13] == [k // 2 for k in range(number) if k != 13]
    assert [r.item for r in results if r.error] == [13] * (number > 13)


def test_only_the_item_that_kills_its_worker_fails() -> None:
    results = list(map_chunked(dies_at_70, range(90), "local:2"))
    assert [r.item for r in results if r.error] == [70]
    assert [r.value for r in results if not r.error] == [k for k in range(90) if k != 70]
