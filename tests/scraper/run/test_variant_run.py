"""One run on played-back pages: variants of a query."""

from pathlib import Path

from support.runs import (
    AT,
    PlayedLauncher,
    PlayedReader,
    Stage,
    names,
    opened,
    stage,
)

from sceneset.manifest.store import Manifest
from scraper.engines.engine import Option, ResultsPage
from scraper.reader import BrowserLost

WITH_VARIANTS = ResultsPage(
    strategies=(),
    name="played",
    template="https://search.example/?q={query}",
    terms="none",
    options={"size": Option(parameter="s", values={"large": "l", "small": "m"})},
    variants=({"size": "large"}, {"size": "small"}),
)


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

            reader.during_batch = die
        return reader

    Stage(tmp_path / "set", PlayedLauncher(make), WITH_VARIANTS).scrape(
        ("Beach", ("Beach",)), variants=True
    )
    found = ranks(tmp_path)
    assert [found[f"r{n}"] for n in range(10)] == list(range(1, 11))
    assert found["r10"] > 10
