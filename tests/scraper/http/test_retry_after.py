from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.http.rate_limit import retry_after

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@given(st.integers(0, 10**9))
def test_seconds_are_taken_as_they_are(seconds: int) -> None:
    assert retry_after(str(seconds), now=NOW) == seconds
    assert retry_after(f" {seconds} ", now=NOW, cap=30) == min(seconds, 30)


@given(st.integers(0, 10**6))
def test_a_date_is_told_from_now(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(date, now=NOW) == seconds
    assert retry_after(date, now=NOW, cap=30) == min(seconds, 30)


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now=NOW) == 0


def test_a_date_without_a_time_zone_is_taken_as_gmt() -> None:
    assert retry_after("Fri, 20 Nov 2026 12:00:10", now=NOW) == 10


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1.5", "1e3", "٣", "²", "Fri, 99 Nov 2026 12:00:00 GMT"]
)
def test_garbage_is_no_wait_at_all(value: str | None) -> None:
    assert retry_after(value, now=NOW) is None


def test_a_number_beyond_all_numbers_is_capped() -> None:
    assert retry_after("9" * 5000, now=NOW, cap=30) == 30


@given(st.text(max_size=60))
def test_whatever_stands_there_never_raises_nor_exceeds_the_cap(value: str) -> None:
    seconds = retry_after(value, now=NOW, cap=30)
    assert seconds is None or 0 <= seconds <= 30
