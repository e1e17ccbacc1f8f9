import random
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from scraper.http.rate_limit import RateLimiter, backoff, next_wait


def test_the_first_page_waits_for_nothing() -> None:
    assert next_wait(100.0, deque(), 2.0, 20) == 0


def test_pages_keep_their_distance() -> None:
    assert next_wait(100.5, deque([100.0]), 2.0, 20) == 1.5
    assert next_wait(103.0, deque([100.0]), 2.0, 20) == 0


def test_a_minute_holds_no_more_than_allowed() -> None:
    assert next_wait(10.0, deque([0.0, 1.0, 2.0]), 0.0, 3) == 50.0


@given(
    st.floats(0, 5),
    st.integers(1, 10),
    st.lists(st.floats(0, 20, allow_subnormal=False), min_size=1, max_size=60),
)
def test_no_window_of_a_minute_is_ever_too_full(
    pause: float, per_minute: int, work: list[float]
) -> None:
    time = [0.0]
    loads: list[float] = []

    def sleep(seconds: float) -> None:
        time[0] += seconds

    pace = RateLimiter(pause, per_minute, lambda: time[0], sleep, random.Random(1))
    for seconds in work:
        pace.acquire()
        loads.append(time[0])
        time[0] += seconds
    for first, later in zip(loads, loads[per_minute:], strict=False):
        assert later - first >= 60 - 1e-6


def test_a_wait_is_as_long_as_asked_unless_that_is_too_long() -> None:
    assert backoff(7, 0, 2.0) == 7
    assert backoff(3600, 0, 2.0) is None


def test_without_a_word_the_wait_doubles_up_to_a_minute_whatever_the_pause() -> None:
    assert [backoff(0, attempt, 0.0) for attempt in range(3)] == [1, 2, 4]
    assert [backoff(0, attempt, 45.0) for attempt in range(3)] == [45, 60, 60]
    assert backoff(0, 0, 300.0) == 60
