"""Pages that make reading hard, in real Chromium: each is told for what it is."""

from pathlib import Path

import pytest
from support.odd_pages import HTML, Site, Visitor, _redirect

from sceneset.progress import Outcome, Output
from scraper.commands.scrape import scrape
from scraper.gallery.origin import Answer
from scraper.reader import TryLater, Unreachable
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("block without a body", "blocked"),
        ("block with a body", "blocked"),
        ("refused", "blocked"),
        ("captcha", "blocked"),
        ("soft block", "blocked"),
        ("empty main", "blocked"),
        ("bare noscript", "nothing found"),
        ("consent that only takes yes", "consent"),
        ("honest and empty", "nothing found"),
        ("words of a block among results", "results"),
        ("unknown layout", "layout unknown"),
        ("late", "results"),
    ],
)
def test_a_page_is_told_for_what_it_is(site: Site, visit: Visitor, name: str, state: str) -> None:
    assert visit(site.url(name)).state == state


def ended(site: Site, tmp_path: Path, *queries: str) -> Outcome:
    """Scrape one class per query; return the outcome."""
    lines = [f"class {n}: {query}" for n, query in enumerate(queries)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    settings = ScrapeSettings(
        classes=tmp_path / "classes.txt",
        dataset=tmp_path / "set",
        search_url=site.pages.url + "/search?q={query}",
        pause=0,
    )
    return scrape(settings=settings, output=Output(quiet=True))


@pytest.mark.parametrize(
    ("query", "reason", "code"),
    [
        ("items without pictures", "layout unknown", 3),
        ("unknown layout", "layout unknown", 3),
        ("a lone surrogate", "end of results", 0),
        ("consent that only takes yes", "consent", 3),
    ],
)
def test_a_run_says_how_a_page_ended_and_keeps_one_it_cannot_read(
    site: Site, tmp_path: Path, query: str, reason: str, code: int
) -> None:
    outcome = ended(site, tmp_path, query)
    assert outcome.summary["classes"]["class 0"]["stopped_because"] == reason  # type: ignore[index]
    assert outcome.exit_code == code
    kept = (tmp_path / "set" / "reports" / "scrape" / "pages" / "class 0.html").exists()
    assert kept == (reason == "layout unknown")


def test_a_run_stops_at_the_first_block_and_loads_no_further_page(
    site: Site, tmp_path: Path
) -> None:
    outcome = ended(site, tmp_path, "block without a body", "honest and empty")
    reasons = [c["stopped_because"] for c in outcome.summary["classes"].values()]  # type: ignore[attr-defined]
    assert reasons == ["blocked"] * 2
    assert [r.target for r in site.pages.requests] == ["/search?q=block+without+a+body"]


@pytest.mark.parametrize("away", [False, True], ids=["answers", "is away"])
def test_a_redirect_to_a_block_page_is_a_block(site: Site, visit: Visitor, away: bool) -> None:  # noqa: FBT001  a column of the table
    there = "http://127.0.0.1:1" if away else site.pages.url
    site.made["x"] = _redirect(f"{there}/sorry/index?continue=x")
    site.made["/sorry/index"] = Answer(b"<title>x</title>unusual traffic", HTML)
    assert visit(site.url("x")).state == "blocked"


def test_redirects_for_ever_are_unreachable(site: Site, visit: Visitor) -> None:
    site.made["x"] = _redirect(site.url("x"))
    with pytest.raises(Unreachable):
        visit(site.url("x"))


def test_a_server_that_asks_for_patience_says_how_much(site: Site, visit: Visitor) -> None:
    site.made["x"] = Answer(b"", HTML, 503, {"Retry-After": "5"})
    with pytest.raises(TryLater) as asked:
        visit(site.url("x"))
    assert asked.value.seconds == 5
