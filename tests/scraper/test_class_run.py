"""One run on played-back pages: queries, variants, losses, waits, several browsers."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from run_support import ENGINE, NoDownload, PlayedLauncher, PlayedReader, Stage, picture

from pipeline.errors import BrowserMissingError
from pipeline.manifest import Manifest
from scraper.engines.engine import Engine, Option
from scraper.harvest import BrowserLost, Refused, TryLater, Unreachable
from scraper.previews import Fetched

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


def test_variants_go_on_until_one_brings_nothing_new(tmp_path: Path) -> None:
    pages = {
        AT + "Beach": names(0, 3),
        AT + "Beach&s=l": names(2, 3),
        AT + "Beach&s=m": names(0, 5),
    }
    played = stage(tmp_path, pages, WITH_VARIANTS)
    result = played.scrape(("Beach", ("Beach",)), variants=True)["Beach"]
    assert (result.reason, result.added) == ("end of results", 5)
    assert opened(played) == list(pages)
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        assert manifest.query("SELECT count(*), count(DISTINCT result_id) FROM sightings") == [
            (5, 5)
        ]


def test_variants_are_left_alone_unless_asked_for_and_when_the_target_is_reached(
    tmp_path: Path,
) -> None:
    played = stage(tmp_path, {AT + "Beach": names(0, 3)}, WITH_VARIANTS)
    played.scrape(("Beach", ("Beach",)))
    played.scrape(("Night", ("Beach",)), per_class=3, variants=True)
    assert opened(played) == [AT + "Beach"] * 2


def test_a_query_without_results_has_no_variants(tmp_path: Path) -> None:
    played = stage(tmp_path, {}, WITH_VARIANTS)
    assert played.scrape(("Quux", ("Quux",)), variants=True)["Quux"].reason == "nothing found"
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
    assert sum(played.naps) < 3
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


def variant_pages() -> dict[str, object]:
    return {
        AT + "Beach": names(0, 10),
        AT + "Beach&s=l": names(5, 15),
        AT + "Beach&s=m": names(15, 15),
    }


def test_a_variant_that_was_cut_by_the_target_is_gone_on_with(tmp_path: Path) -> None:
    pages = variant_pages()
    reader = PlayedReader(pages, step=5)  # type: ignore[arg-type]
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader), WITH_VARIANTS)
    assert played.scrape(("Beach", ("Beach",)), variants=True, per_class=17)["Beach"].added == 17
    more = played.scrape(("Beach", ("Beach",)), variants=True, per_class=60)["Beach"]
    assert (more.reason, more.added) == ("end of results", 13)


def test_once_all_is_found_no_further_run_loads_anything(tmp_path: Path) -> None:
    played = stage(tmp_path, variant_pages(), WITH_VARIANTS)
    played.scrape(("Beach", ("Beach",)), variants=True)
    loaded = len(opened(played))
    for _ in range(3):
        played.scrape(("Beach", ("Beach",)), variants=True)
    assert len(opened(played)) == loaded


def test_a_variant_without_results_does_not_keep_the_next_from_being_tried(tmp_path: Path) -> None:
    pages = variant_pages() | {AT + "Beach&s=l": "nothing found"}
    played = stage(tmp_path, pages, WITH_VARIANTS)
    result = played.scrape(("Beach", ("Beach",)), variants=True)["Beach"]
    assert (result.reason, result.added) == ("end of results", 25)
    played.scrape(("Beach", ("Beach",)), variants=True)
    assert opened(played) == list(pages)


def test_fresh_goes_through_variants_too(tmp_path: Path) -> None:
    reader = PlayedReader(variant_pages(), step=5)  # type: ignore[arg-type]
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader), WITH_VARIANTS)
    played.scrape(("Beach", ("Beach",)), variants=True, per_class=15)
    assert (
        played.scrape(("Beach", ("Beach",)), variants=True, per_class=30, resume=False)[
            "Beach"
        ].added
        == 15
    )


def ranks(tmp_path: Path) -> dict[str, int]:
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        return dict(manifest.query("SELECT result_id, rank FROM sightings"))


def test_ranks_go_on_over_variants_and_start_anew_with_a_new_browser(tmp_path: Path) -> None:
    made: list[PlayedReader] = []

    def make() -> PlayedReader:
        reader = PlayedReader(variant_pages(), step=5)  # type: ignore[arg-type]
        made.append(reader)
        if len(made) == 1:
            steps = iter(range(9))

            def die() -> None:
                if next(steps) == 1:
                    raise BrowserLost("tab crashed")

            reader.during_stretch = die
        return reader

    Stage(tmp_path / "set", PlayedLauncher(make), WITH_VARIANTS).scrape(
        ("Beach", ("Beach",)), variants=True
    )
    found = ranks(tmp_path)
    assert [found[f"r{n}"] for n in range(10)] == list(range(1, 11))
    assert found["r10"] > 10


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
    assert len(launcher.download.asked) == 3
    assert "previews are refused" in result["Beach"].trouble


def test_a_source_that_refuses_in_the_middle_is_a_block_and_what_is_there_stays(
    tmp_path: Path,
) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 9)}, step=3)
    steps = iter(range(9))

    def refuse() -> None:
        if next(steps) == 2:
            raise Refused("HTTP status 403")

    reader.during_stretch = refuse
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    result = played.scrape(("Beach", ("Beach",)))["Beach"]
    assert (result.reason, result.added) == ("blocked", 6)
    assert "403" in result.trouble


def test_a_browser_that_does_not_come_up_beside_others_leaves_its_class_to_them(
    tmp_path: Path,
) -> None:
    made: list[PlayedReader] = []

    def make() -> PlayedReader:
        if made:
            raise BrowserLost("no free slot")
        made.append(PlayedReader({AT + name: names(10 * n, 3) for n, name in enumerate("ABCD")}))
        return made[0]

    played = Stage(tmp_path / "set", PlayedLauncher(make))
    results = played.scrape(*((name, (name,)) for name in "ABCD"), browsers=2)
    assert [r.added for r in results.values()] == [3, 3, 3, 3]


def test_a_block_elsewhere_does_not_drop_what_a_page_has_shown(tmp_path: Path) -> None:
    halted: list[Stage] = []

    def block() -> None:
        halted[0].halt.meet("blocked")

    reader = PlayedReader({AT + "Beach": names(0, 3)}, during_stretch=block)
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    halted.append(played)
    assert played.scrape(("Beach", ("Beach",)))["Beach"].added == 3


def test_waiting_does_not_outlast_the_time_for_a_query(tmp_path: Path) -> None:
    played = stage(tmp_path, {AT + "Beach": TryLater(50)})
    assert played.scrape(("Beach", ("Beach",)), max_seconds=20)["Beach"].reason == "blocked"
    assert sum(played.naps) < 3


def test_previews_that_nobody_answers_any_more_end_the_class_as_unreachable(tmp_path: Path) -> None:
    reader = PlayedReader({AT + "Beach": names(0, 50)}, bodies=None)
    launcher = PlayedLauncher(
        lambda: reader, download=NoDownload(Fetched(None, None, "http_error"))
    )
    result = Stage(tmp_path / "set", launcher).scrape(("Beach", ("Beach",)))["Beach"]
    assert result.reason == "unreachable"
    assert len(launcher.download.asked) == 10
