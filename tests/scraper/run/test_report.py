"""The scrape report: everything in it, nothing that runs or calls out."""

import base64
import hashlib
import json
import re
from pathlib import Path

from support.runs import PlayedLauncher, PlayedReader, Stage

from sceneset.dataset import Dataset
from sceneset.manifest.store import Manifest
from scraper.engines.engine import SearchResult
from scraper.run.report import keep_page, scrape_outcome, write_report

EVIL = '"><script>alert(1)</script>'


class EvilReader(PlayedReader):
    """Give titles and sites that want to be markup."""

    def next_batch(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        batch = super().next_batch()
        evil = [SearchResult(f.result_id, f.page_url, EVIL, EVIL, f.src) for f in batch.results]
        return batch.__class__(tuple(evil), (), True, False, False, True, "played")


def written(tmp_path: Path) -> tuple[str, dict[str, object]]:
    """Scrape two classes, write the report; return its page and its JSON."""
    reader = EvilReader({"https://search.example/?q=Beach": ["a", "b"]})
    played = Stage(tmp_path, PlayedLauncher(lambda: reader))
    results = played.scrape((EVIL, ("Beach",)), ("Night", ("Night",)))
    results[EVIL].last_resorts.add("structure")
    with Manifest(tmp_path / "manifest.db") as manifest:
        outcome = scrape_outcome(
            dataset=tmp_path,
            counts=Dataset(tmp_path).counts(),
            results=results,
            seconds=1.0,
        )
        write_report(Dataset(tmp_path), manifest, outcome.summary, "played", "played on a stage")
    folder = tmp_path / "reports" / "scrape"
    return (folder / "index.html").read_text(), json.loads((folder / "report.json").read_text())


def test_names_titles_and_sites_are_text_and_never_markup(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3


def test_the_policy_allows_this_style_and_pictures_and_nothing_else(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{digest}'" in page
    assert "style=" not in page
    assert not re.search(r'(src|href)="(?!\.\./\.\./raw/|#|pages/)', page)


def test_every_class_tells_why_it_stopped_what_read_it_and_where_pictures_come_from(
    tmp_path: Path,
) -> None:
    keep_page(Dataset(tmp_path), "Night", "<p>", b"")
    page, report = written(tmp_path)
    assert 'href="pages/Night.html"' in page
    assert "nothing found" in page
    assert "last resort" in page
    assert report["found"][EVIL]["sites"] == {EVIL: 2}  # type: ignore[index]
    assert report["found"]["Night"]["sites"] == {}  # type: ignore[index]
    assert "No picture." in page


def test_a_page_that_cannot_be_read_is_kept_whole_whatever_it_holds(tmp_path: Path) -> None:
    place = keep_page(Dataset(tmp_path), "Beach", "text \ud800", b"")
    assert place.read_bytes() == b"text ?"
    assert not place.with_suffix(".png").exists()
