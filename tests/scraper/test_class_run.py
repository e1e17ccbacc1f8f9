"""One run on played-back pages: queries, variants, losses, waits, several browsers."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from run_support import ENGINE, PlayedLauncher, PlayedReader, Stage

from pipeline.errors import BrowserMissingError
from pipeline.manifest import Manifest
from scraper.engines.engine import Engine, Option
from scraper.harvest import BrowserLost, TryLater, Unreachable

AT = "https://search.example/?q="
WITH_VARIANTS = Engine(
    name="played",
    template="https://search.example/?q={query}",
    terms="none",
    options={"size": Option(parameter="s", values={"large": "l", "small": "m"})},
    variants=({"size": "large"}, {"size": "small"}),
)


def stage(tmp_path: Path, pages: dict[str, object], engine: Engine = ENGINE) -> Stage:
    reader = PlayedReader(pages)  # type: ignore[arg-type]
    return Stage(tmp_path / "set", PlayedLauncher(lambda: reader), engine)


def opened(played: Stage) -> list[str]:
    """Return every address that was loaded, readers that are one counted once."""
    return next(iter(played.launcher.readers)).opened if played.launcher.readers else []


def names(start: int, number: int) -> list[str]:
    return [f"r{n}" for n in range(start, start + number)]


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


def test_a_result_that_failed_makes_its_search_due_again(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 3)})
    played.launcher.make().body = lambda _url: None  # type: ignore[method-assign]
    played.scrape(("Beach", ("Beach",)), attempts=2)
    played.scrape(("Beach", ("Beach",)), attempts=2)
    played.scrape(("Beach", ("Beach",)), attempts=2)
    assert len(opened(played)) == 2


def test_a_higher_target_goes_on_where_the_target_had_ended(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 9)})
    assert played.scrape(("Beach", ("Beach",)), per_class=4)["Beach"].reason == "target reached"
    more = played.scrape(("Beach", ("Beach",)), per_class=6)["Beach"]
    assert (more.reason, more.added) == ("target reached", 2)


def test_variants_go_on_until_one_brings_nothing_new(tmp_path: Path) -> None:
    pages = {
        AT + "Beach": names(0, 3),
        AT + "Beach&s=l": names(2, 3),
        AT + "Beach&s=m": names(0, 5),
    }
    played = stage(tmp_path, pages, WITH_VARIANTS)
    result = played.scrape(("Beach", ("Beach",)))["Beach"]
    assert (result.reason, result.added) == ("end of results", 5)
    assert opened(played) == list(pages)
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        assert manifest.query("SELECT count(*), count(DISTINCT result_id) FROM sightings") == [
            (5, 5)
        ]


def test_variants_are_left_alone_when_asked_or_when_the_target_is_reached(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 3)}, WITH_VARIANTS)
    played.scrape(("Beach", ("Beach",)), variants=False)
    played.scrape(("Night", ("Beach",)), per_class=3)
    assert opened(played) == [AT + "Beach"] * 2


def test_a_query_without_results_has_no_variants(tmp_path: Path) -> None:
    played = stage(tmp_path, {}, WITH_VARIANTS)
    assert played.scrape(("Quux", ("Quux",)))["Quux"].reason == "nothing found"
    assert opened(played) == [AT + "Quux"]


def test_patience_is_given_as_asked_and_the_class_goes_on(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": [TryLater(7), TryLater(0), names(0, 2)]})
    result = played.scrape(("Beach", ("Beach",)))["Beach"]
    assert (result.reason, result.added) == ("end of results", 2)
    assert [nap for nap in played.naps if nap] == [7, 2]


@pytest.mark.parametrize("asked", [3600.0, 1.0])
def test_too_long_a_wait_or_too_many_are_a_block(tmp_path: Path, asked: float) -> None:
    played = stage(tmp_path, {AT + "Beach": TryLater(asked)})
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [result.reason for result in results.values()] == ["blocked", "blocked"]
    assert f"{asked:g} s" in results["Beach"].trouble
    assert AT + "Night" not in opened(played)


def test_a_class_out_of_reach_does_not_keep_the_others(tmp_path: Path) -> None:
    pages = {AT + "Beach": Unreachable("too many redirects"), AT + "Night": names(0, 2)}
    played = stage(tmp_path, pages)
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in results.values()] == ["unreachable", "end of results"]
    assert "too many redirects" in results["Beach"].trouble


def lost_after(readers: int) -> Callable[[], PlayedReader]:
    """Return a maker of readers of which the first ones die on their first page."""
    made = []

    def die() -> None:
        raise BrowserLost("tab crashed")

    def make() -> PlayedReader:
        reader = PlayedReader({AT + "Beach": names(0, 3), AT + "Night": names(3, 3)})
        if len(made) < readers:
            reader.during_stretch = die
        made.append(reader)
        return reader

    return make


def test_a_lost_browser_is_replaced_and_its_class_goes_on(tmp_path: Path) -> None:
    played = Stage(tmp_path / "set", PlayedLauncher(lost_after(2)))
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.added for r in results.values()] == [3, 3]
    assert all(reader.closed for reader in played.launcher.readers)


def test_a_class_that_ends_every_browser_is_named_and_the_next_one_goes_on(tmp_path: Path) -> None:
    played = Stage(tmp_path / "set", PlayedLauncher(lost_after(3)))
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in results.values()] == ["browser lost", "end of results"]
    assert "tab crashed" in results["Beach"].trouble


def test_a_browser_that_never_starts_is_an_error_to_mend(tmp_path: Path) -> None:
    def never() -> PlayedReader:
        raise BrowserLost("no such file")

    played = Stage(tmp_path / "set", PlayedLauncher(never))
    with pytest.raises(BrowserMissingError, match="does not start"):
        played.scrape(("Beach", ("Beach",)))


def test_several_browsers_take_classes_from_one_queue_at_the_same_time(tmp_path: Path) -> None:
    together = Barrier(2, timeout=20)
    pages = {AT + name: names(10 * n, 4) for n, name in enumerate("ABCD")}

    def make() -> PlayedReader:
        return PlayedReader(pages, during_stretch=lambda: together.wait() and None)  # type: ignore[arg-type]

    played = Stage(tmp_path / "set", PlayedLauncher(make))
    results = played.scrape(*((name, (name,)) for name in "ABCD"), browsers=2)
    assert [result.added for result in results.values()] == [4, 4, 4, 4]
    assert len(played.launcher.readers) == 2
    assert sorted(url for r in played.launcher.readers for url in r.opened) == sorted(pages)


def test_a_block_of_one_browser_stops_the_others(tmp_path: Path) -> None:
    pages = {AT + "A": "blocked"} | {AT + name: names(10, 2) for name in "BCDEFGH"}
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: PlayedReader(pages)))  # type: ignore[arg-type]
    results = played.scrape(*((name, (name,)) for name in "ABCDEFGH"), browsers=2)
    assert results["A"].reason == results["H"].reason == "blocked"


def test_a_request_to_stop_ends_the_class_and_those_after_it(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 9)})

    def ask() -> None:
        played.request.signal_number = 15

    played.launcher.make().during_stretch = ask
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert [r.reason for r in results.values()] == ["interrupted", "interrupted"]


def test_the_strategy_that_found_the_results_is_remembered(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 2)})
    results = played.scrape(("Beach", ("Beach",)), ("Night", ("Night",)))
    assert results["Beach"].strategies == {"played"}
    assert results["Night"].strategies == set()
