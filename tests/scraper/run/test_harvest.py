from collections.abc import Sequence

import pytest

from scraper.engines.engine import SearchResult
from scraper.page_state import PageState
from scraper.reader import Fetched, ResultBatch
from scraper.run.harvest import Harvest, why_stop


def results(*names: str) -> tuple[SearchResult, ...]:
    return tuple(
        SearchResult(n, f"https://site.example/{n}", n, "", f"https://t.example/{n}") for n in names
    )


def batch(*names: str, **more: object) -> ResultBatch:
    values: dict[str, object] = {
        "results": results(*names),
        "unloaded": (),
        "at_bottom": True,
        "grew": False,
        "clicked": False,
        "end_shown": False,
        "strategy": "docid",
    }
    return ResultBatch(**(values | more))  # type: ignore[arg-type]


class Script:
    """A browser that plays back batches; the last one repeats."""

    user_agent = "test"

    def __init__(self, batches: Sequence[ResultBatch]) -> None:
        self.batches = list(batches)
        self.played = 0

    def next_batch(self) -> ResultBatch:
        self.played += 1
        return self.batches[min(self.played, len(self.batches)) - 1]

    def open(self, url: str) -> PageState:
        raise AssertionError

    def body(self, url: str) -> Fetched | None:
        raise AssertionError

    def snapshot(self) -> tuple[str, bytes]:
        raise AssertionError

    def close(self) -> None: ...


class Clock:
    """A clock that moves a second at every look."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


def run(
    batches: Sequence[ResultBatch], wanted: int = 100, deadline: float = 1000
) -> tuple[str | None, list[str]]:
    harvest = Harvest(Script(batches), wanted, deadline, Clock())
    names: list[str] = []
    for one in harvest:
        names += [r.result_id for r in one.results]
        harvest.wanted = wanted - len(names)
    return harvest.reason, names


def test_a_page_is_read_until_its_end_is_shown() -> None:
    pages = [batch("a", at_bottom=False), batch("b", grew=True), batch(end_shown=True)]
    assert run(pages) == ("end of results", ["a", "b"])


def test_an_end_marker_does_not_end_a_page_that_still_gives() -> None:
    pages = [
        batch("a", end_shown=True, grew=True),
        batch("b", end_shown=True, clicked=True),
        batch("c", end_shown=True, busy=True),
        batch("d", end_shown=True, retrying=True, unloaded=results("e")),
        batch("e", end_shown=True),
    ]
    assert run(pages) == ("end of results", ["a", "b", "c", "d", "e"])


def test_enough_is_enough() -> None:
    assert run([batch("a", "b"), batch("c")], wanted=2) == ("target reached", ["a", "b"])


def test_a_page_without_an_end_marker_ends_after_three_quiet_steps() -> None:
    script = [batch("a"), batch()]
    assert run(script) == ("end of results", ["a"])


def test_clicking_in_vain_is_a_stall() -> None:
    assert run([batch("a"), batch(clicked=True)])[0] == "stalled"


def test_a_batch_that_never_comes_is_a_stall_even_when_an_end_is_shown() -> None:
    assert run([batch("a"), batch(busy=True, end_shown=True)])[0] == "stalled"


def test_a_late_batch_is_waited_for() -> None:
    pages = [batch("a"), *[batch(busy=True)] * 5, batch("b", end_shown=True)]
    assert run(pages) == ("end of results", ["a", "b"])


def test_a_failed_batch_is_asked_for_again_by_its_control() -> None:
    pages = [batch("a", clicked=True), batch(clicked=True), batch(clicked=True, grew=True)]
    assert run([*pages, batch("b"), batch(end_shown=True)]) == ("end of results", ["a", "b"])


def test_a_page_that_gives_nothing_until_time_is_up_is_no_unknown_layout() -> None:
    assert run([batch(at_bottom=False)], deadline=2) == ("budget", [])


def test_a_page_that_grows_for_ever_without_results_is_a_stall() -> None:
    assert run([batch("a"), batch(grew=True)])[0] == "stalled"


def test_thumbnails_that_never_load_are_taken_from_the_pages_map() -> None:
    late = results("late")
    pages = [batch("a"), batch(unloaded=late, end_shown=True)]
    assert run(pages) == ("end of results", ["a", "late"])


def test_results_that_cannot_be_read_are_an_unknown_layout_and_no_end() -> None:
    assert run([batch(end_shown=True)]) == ("layout unknown", [])


def test_time_is_limited() -> None:
    forever = [batch(f"n{i}", at_bottom=False) for i in range(200)]
    assert run(forever, wanted=1000, deadline=50)[0] == "budget"


MIDDLE = batch(at_bottom=False)
BOTTOM = batch()


@pytest.mark.parametrize(
    ("quiet", "last", "reason"),
    [
        (0, MIDDLE, None),
        (9, MIDDLE, None),
        (10, MIDDLE, "stalled"),
        (9, batch(grew=True), None),
        (10, batch(grew=True), "stalled"),
        (2, BOTTOM, None),
        (3, BOTTOM, "end of results"),
        (0, batch(end_shown=True), "end of results"),
        (0, batch(end_shown=True, unloaded=results("a")), "end of results"),
        (0, batch(end_shown=True, retrying=True), None),
        (3, batch(end_shown=True, retrying=True), "end of results"),
        (0, batch(end_shown=True, at_bottom=False), None),
        (0, batch(end_shown=True, clicked=True), None),
        (3, batch(end_shown=True, clicked=True), None),
        (4, batch(clicked=True), "stalled"),
        (0, batch(end_shown=True, busy=True), None),
        (7, batch(end_shown=True, busy=True), None),
        (8, batch(end_shown=True, busy=True), "stalled"),
    ],
)
def test_when_to_stop_is_decided_by_what_the_page_shows_and_does(
    quiet: int, last: ResultBatch, reason: str | None
) -> None:
    assert why_stop(last, wanted=5, quiet_steps=quiet, is_late=False) == reason


@pytest.mark.parametrize("last", [MIDDLE, BOTTOM, batch(busy=True), batch(grew=True)])
def test_target_and_budget_come_before_everything_else(last: ResultBatch) -> None:
    assert why_stop(last, wanted=0, quiet_steps=99, is_late=True) == "target reached"
    assert why_stop(last, wanted=1, quiet_steps=99, is_late=True) == "budget"
