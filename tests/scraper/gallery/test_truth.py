from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scraper.gallery.catalogue import ServedResult
from scraper.gallery.server import hangs, in_page_order, reachable
from scraper.gallery.settings import Behaviour, mixed


def _results(count: int) -> list[ServedResult]:
    return [
        ServedResult(
            "A", n, f"d{n}", f"t{n}", f"https://a.example/{n}", "a.example", "title", bytes
        )
        for n in range(count)
    ]


def _ordered(count: int, batch: int, *names: Behaviour) -> tuple[ServedResult, ...]:
    return in_page_order(_results(count), mixed("2026", names), batch)


def test_a_polite_page_is_the_results_in_rank_order() -> None:
    assert list(_ordered(50, 20)) == _results(50)


def test_few_are_37() -> None:
    assert list(_ordered(120, 20, "few")) == _results(37)
    assert list(_ordered(5, 20, "few")) == _results(5)


@given(st.integers(0, 150), st.integers(1, 60))
def test_repeats_stand_in_later_batches_only_and_lose_nothing(count: int, batch: int) -> None:
    order = _ordered(count, batch, "duplicates-across-batches")
    assert list(order[:batch]) == _results(count)[:batch]
    assert set(order) == set(_results(count))
    assert max(Counter(order).values(), default=0) >= (2 if count > batch else 0)
    seen = reachable(_results(count), mixed("2026", ["duplicates-across-batches"]), batch)
    assert Counter(seen) == Counter(_results(count))


def test_a_query_without_results_has_none() -> None:
    assert _ordered(50, 20, "no-results") == _ordered(50, 20, "soft-block") == ()


def test_a_stalled_gallery_never_shows_what_stands_behind_the_second_batch() -> None:
    mix = mixed("2026", ["stall"])
    assert [hangs(start, mix, 20) for start in (0, 20, 40, 60)] == [False, False, True, True]
    assert list(reachable(_results(50), mix, 20)) == _results(40)
