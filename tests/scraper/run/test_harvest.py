from collections.abc import Sequence

import pytest

from scraper.engines.engine import Found
from scraper.reader import Fetched, PageState, Stretch
from scraper.run.harvest import Progress, harvest, why_stop


def found(*names: str) -> tuple[Found, ...]:
    return tuple(
        Found(n, f"https://site.example/{n}", n, "", f"https://t.example/{n}") for n in names
    )


def stretch(*names: str, **more: object) -> Stretch:
    values: dict[str, object] = {
        "found": found(*names),
        "unloaded": (),
        "at_bottom": True,
        "grew": False,
        "clicked": False,
        "end_shown": False,
        "strategy": "docid",
    }
    return Stretch(**(values | more))  # type: ignore[arg-type]


class Script:
    """A browser that plays back stretches; the last one repeats."""

    user_agent = "test"

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = list(stretches)
        self.played = 0

    def stretch(self) -> Stretch:
        self.played += 1
        return self.stretches[min(self.played, len(self.stretches)) - 1]

    def open(self, url: str) -> PageState:
        raise AssertionError

    def body(self, url: str) -> Fetched | None:
        raise AssertionError

    def snapshot(self) -> tuple[str, bytes]:
        raise AssertionError

    def close(self) -> None: ...


class Keeper:
    """Count what is handed over; want a number of pictures."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.names: list[str] = []

    def __call__(self, results: tuple[Found, ...]) -> int:
        self.names += [r.result_id for r in results]
        return self.wanted - len(self.names)


class Clock:
    """A clock that moves a second at every look."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


def run(stretches: Sequence[Stretch], wanted: int = 100, **more: object) -> tuple[str, list[str]]:
    keeper = Keeper(wanted)
    options: dict[str, object] = {"max_seconds": 1000, "interrupted": lambda: False} | more
    reason = harvest(Script(stretches), keeper, Clock(), **options)  # type: ignore[arg-type]
    return reason, keeper.names


def test_a_page_is_read_until_its_end_is_shown() -> None:
    pages = [stretch("a", at_bottom=False), stretch("b", grew=True), stretch(end_shown=True)]
    assert run(pages) == ("end of results", ["a", "b"])


def test_an_end_marker_does_not_end_a_page_that_still_gives() -> None:
    pages = [
        stretch("a", end_shown=True, grew=True),
        stretch("b", end_shown=True, clicked=True),
        stretch("c", end_shown=True, busy=True),
        stretch("d", end_shown=True, retrying=True, unloaded=found("e")),
        stretch("e", end_shown=True),
    ]
    assert run(pages) == ("end of results", ["a", "b", "c", "d", "e"])


def test_enough_is_enough() -> None:
    assert run([stretch("a", "b"), stretch("c")], wanted=2) == ("target reached", ["a", "b"])


def test_a_page_without_an_end_marker_ends_after_three_quiet_steps() -> None:
    script = [stretch("a"), stretch()]
    assert run(script) == ("end of results", ["a"])


def test_clicking_in_vain_is_a_stall() -> None:
    assert run([stretch("a"), stretch(clicked=True)])[0] == "stalled"


def test_a_batch_that_never_comes_is_a_stall_even_when_an_end_is_shown() -> None:
    assert run([stretch("a"), stretch(busy=True, end_shown=True)])[0] == "stalled"


def test_a_late_batch_is_waited_for() -> None:
    pages = [stretch("a"), *[stretch(busy=True)] * 5, stretch("b", end_shown=True)]
    assert run(pages) == ("end of results", ["a", "b"])


def test_a_failed_batch_is_asked_for_again_by_its_control() -> None:
    pages = [stretch("a", clicked=True), stretch(clicked=True), stretch(clicked=True, grew=True)]
    assert run([*pages, stretch("b"), stretch(end_shown=True)]) == ("end of results", ["a", "b"])


def test_a_page_that_grows_for_ever_without_results_is_a_stall() -> None:
    assert run([stretch("a"), stretch(grew=True)])[0] == "stalled"


def test_thumbnails_that_never_load_are_taken_from_the_pages_map() -> None:
    late = found("late")
    pages = [stretch("a"), stretch(unloaded=late, end_shown=True)]
    assert run(pages) == ("end of results", ["a", "late"])


def test_results_that_cannot_be_read_are_an_unknown_layout_and_no_end() -> None:
    assert run([stretch(end_shown=True)]) == ("layout unknown", [])


def test_time_is_limited() -> None:
    forever = [stretch(f"n{i}", at_bottom=False) for i in range(200)]
    assert run(forever, wanted=1000, max_seconds=50)[0] == "budget"


def test_a_request_to_stop_comes_after_the_stretch_is_stored() -> None:
    assert run([stretch("a")], interrupted=lambda: True) == ("interrupted", ["a"])


MIDDLE = stretch(at_bottom=False)
BOTTOM = stretch()


@pytest.mark.parametrize(
    ("quiet", "last", "reason"),
    [
        (0, MIDDLE, None),
        (9, MIDDLE, None),
        (10, MIDDLE, "stalled"),
        (9, stretch(grew=True), None),
        (10, stretch(grew=True), "stalled"),
        (2, BOTTOM, None),
        (3, BOTTOM, "end of results"),
        (0, stretch(end_shown=True), "end of results"),
        (0, stretch(end_shown=True, unloaded=found("a")), "end of results"),
        (0, stretch(end_shown=True, retrying=True), None),
        (3, stretch(end_shown=True, retrying=True), "end of results"),
        (0, stretch(end_shown=True, at_bottom=False), None),
        (0, stretch(end_shown=True, clicked=True), None),
        (3, stretch(end_shown=True, clicked=True), None),
        (4, stretch(clicked=True), "stalled"),
        (0, stretch(end_shown=True, busy=True), None),
        (7, stretch(end_shown=True, busy=True), None),
        (8, stretch(end_shown=True, busy=True), "stalled"),
    ],
)
def test_when_to_stop_is_decided_by_what_the_page_shows_and_does(
    quiet: int, last: Stretch, reason: str | None
) -> None:
    assert why_stop(Progress(5, quiet, 1.0), last, 100) == reason


@pytest.mark.parametrize("last", [MIDDLE, BOTTOM, stretch(busy=True), stretch(grew=True)])
def test_target_and_budget_come_before_everything_else(last: Stretch) -> None:
    assert why_stop(Progress(0, 99, 999.0), last, 100) == "target reached"
    assert why_stop(Progress(1, 99, 999.0), last, 100) == "budget"
