"""One run on played-back pages: browsers that are lost, several at work."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from support.runs import (
    AT,
    PlayedLauncher,
    PlayedReader,
    Stage,
    names,
)

from sceneset.errors import BrowserMissingError
from scraper.reader import BrowserLost


def lost_after(readers: int) -> Callable[[], PlayedReader]:
    """Return a maker of readers of which the first ones die on their first page."""
    made = []

    def die() -> None:
        raise BrowserLost("tab crashed")

    def make() -> PlayedReader:
        reader = PlayedReader({AT + "Beach": names(0, 3), AT + "Night": names(3, 3)})
        if len(made) < readers:
            reader.during_batch = die
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
        return PlayedReader(pages, during_batch=lambda: together.wait() and None)  # type: ignore[arg-type]

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
        halted[0].breaker.record("blocked")

    reader = PlayedReader({AT + "Beach": names(0, 3)}, during_batch=block)
    played = Stage(tmp_path / "set", PlayedLauncher(lambda: reader))
    halted.append(played)
    assert played.scrape(("Beach", ("Beach",)))["Beach"].added == 3
