"""One run on played-back pages: queries, what is not loaded again, waits, blocks."""

from pathlib import Path

import pytest
from support.runs import (
    AT,
    NoDownload,
    PlayedLauncher,
    PlayedReader,
    Stage,
    names,
    opened,
    picture,
    stage,
)

from scraper.reader import AccessDenied, Fetched, TryLater, Unreachable


def test_a_search_that_gave_all_it_has_is_not_loaded_again(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 3)})
    first = played.scrape(("Beach", ("Beach",)))
    again = played.scrape(("Beach", ("Beach",)))
    assert first["Beach"].reason == again["Beach"].reason == "end of results"
    assert opened(played) == [AT + "Beach"]


def test_fresh_loads_it_again(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 3)})
    played.scrape(("Beach", ("Beach",)))
    played.scrape(("Beach", ("Beach",)), resume=False)
    assert len(opened(played)) == 2


def test_a_result_that_failed_makes_its_search_due_again_while_attempts_last(
    tmp_path: Path,
) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 3)}, bodies=None)
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    for _ in range(3):
        played.scrape(("Beach", ("Beach",)), attempts=2)
    assert len(reader.opened) == 2


def test_a_failed_result_that_left_its_page_is_given_up_in_time(tmp_path: Path) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 3)}, bodies=None)
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    played.scrape(("Beach", ("Beach",)), attempts=2)
    reader.pages = {AT + "Beach": names(10, 3)}
    reader.bodies = picture
    for _ in range(4):
        played.scrape(("Beach", ("Beach",)), attempts=2)
    assert len(reader.opened) == 2


def test_a_higher_target_goes_on_where_the_target_had_ended(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 9)})
    assert played.scrape(("Beach", ("Beach",)), per_class=4)["Beach"].reason == "target reached"
    more = played.scrape(("Beach", ("Beach",)), per_class=6)["Beach"]
    assert (more.reason, more.added) == ("target reached", 2)


def test_patience_is_given_as_asked_and_the_class_goes_on(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": [TryLater(7), TryLater(0), names(0, 2)]})
    result = played.scrape(("Beach", ("Beach",)))["Beach"]
    assert (result.reason, result.added) == ("end of results", 2)
    assert [seconds for seconds in played.sleeps if seconds] == [7, 2]


@pytest.mark.parametrize("asked", [3600.0, 1.0])
def test_too_long_a_wait_or_too_many_are_a_block(tmp_path: Path, asked: float) -> None:
    played = stage(tmp_path, {AT + "Beach": TryLater(asked)})
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [result.reason for result in results.values()] == ["blocked", "blocked"]
    assert f"{asked:g} s" in results["Beach"].trouble
    assert sum(played.sleeps) < 3
    assert AT + "Night" not in opened(played)


def test_a_class_out_of_reach_does_not_keep_the_others(tmp_path: Path) -> None:
    pages = {AT + "Beach": Unreachable("too many redirects"), AT + "Night": names(0, 2)}
    played = stage(tmp_path, pages)
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in results.values()] == ["unreachable", "end of results"]
    assert "too many redirects" in results["Beach"].trouble


def test_a_request_to_stop_ends_the_class_and_those_after_it(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 9)})

    def ask() -> None:
        played.request.signal_number = 15

    played.launcher.make().during_batch = ask
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in results.values()] == ["interrupted", "interrupted"]


def test_the_strategy_that_found_the_results_is_remembered(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 2)})
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert results["Beach"].strategies == {"played"}
    assert results["Night"].strategies == set()


@pytest.mark.parametrize("state", ["blocked", "consent"])
def test_no_further_query_of_a_class_is_loaded_after_a_block(tmp_path: Path, state: str) -> None:
    played = stage(tmp_path, {AT + "a": state, AT + "b": names(0, 2)})
    assert played.scrape(("Beach", ("a", "b")))["Beach"].reason == state
    assert opened(played) == [AT + "a"]


def test_previews_that_are_refused_three_times_in_a_row_are_a_block(tmp_path: Path) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 50)}, bodies=None)
    launcher = PlayedLauncher(lambda: reader, download=NoDownload(Fetched(None, 429, "http_error")))
    played = Stage(tmp_path / "set", launcher)
    result = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in result.values()] == ["blocked", "blocked"]
    assert len(launcher.download.requested) == 3
    assert "previews are refused" in result["Beach"].trouble


def test_a_source_that_refuses_in_the_middle_is_a_block_and_what_is_there_stays(
    tmp_path: Path,
) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 9)}, step=3)
    steps = iter(range(9))

    def refuse() -> None:
        if next(steps) == 2:
            raise AccessDenied("HTTP status 403")

    reader.during_batch = refuse
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    result = played.scrape(("Beach", ("Beach",)))["Beach"]
    assert (result.reason, result.added) == ("blocked", 6)
    assert "403" in result.trouble


def test_waiting_does_not_outlast_the_time_for_a_query(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": TryLater(50)})
    assert played.scrape(("Beach", ("Beach",)), max_seconds=20)["Beach"].reason == "blocked"
    assert sum(played.sleeps) < 3


def test_previews_that_nobody_answers_any_more_end_the_class_as_unreachable(tmp_path: Path) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 50)}, bodies=None)
    launcher = PlayedLauncher(
        lambda: reader, download=NoDownload(Fetched(None, None, "http_error"))
    )
    result = Stage(tmp_path / "set", launcher).scrape(("Beach", ("Beach",)))["Beach"]
    assert result.reason == "unreachable"
    assert len(launcher.download.requested) == 10
