"""Write the page that shows what a scrape brought in, and why a class is short."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sceneset.atomic import write_file
from sceneset.dataset import Dataset
from sceneset.manifest.store import Manifest
from scraper.run.outcome import DONE

SHOWN_PER_CLASS = 48
WORDS_PER_CLASS = 8
_FOLDER = Path(__file__).parent
_COUNTED = {
    "queries": ("query", "query <> ''"),
    "sites": ("site", "site <> ''"),
    "reasons": ("reason", "reason <> ''"),
    "licences": ("licence", "licence <> 'unknown'"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One preview on a contact sheet."""

    path: str
    title: str
    site: str
    rank: int


def write_report(
    dataset: Dataset, manifest: Manifest, summary: Mapping[str, object], engine: str
) -> None:
    """Write reports/scrape/index.html and report.json of a data set."""
    names = {row.id: row.name for row in manifest.classes()}
    folder = dataset.report("scrape")
    report = dict(summary) | {
        "engine": engine,
        "unread": {
            row.name: f"pages/{row.slug}.html"
            for row in manifest.classes()
            if (folder / "pages" / f"{row.slug}.html").exists()
        },
        "found": {name: _found(manifest, class_id) for class_id, name in names.items()},
    }
    page = render(report, {name: _sheet(manifest, i) for i, name in names.items()})
    write_file(folder / "index.html", page.encode())
    write_file(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode())


def keep_page(dataset: Dataset, slug: str, text: str, png: bytes) -> Path:
    """Keep a page that could not be read, as text and as a picture; return the text's path."""
    place = dataset.report("scrape") / "pages" / f"{slug}.html"
    write_file(place, text.encode(errors="replace"))
    if png:
        write_file(place.with_suffix(".png"), png)
    return place


def render(report: Mapping[str, object], sheets: Mapping[str, Sequence[Shown]]) -> str:
    """Return the page's HTML: every text escaped, no script, no address but the pictures'."""
    from jinja2 import Environment  # noqa: PLC0415  only a finished run needs it

    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    template = (_FOLDER / "report.html").read_text(encoding="utf-8")
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            report=report,
            sheets=sheets,
            done=DONE,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _found(manifest: Manifest, class_id: int) -> dict[str, dict[str, int]]:
    """Return what -> word -> number of results, the most frequent first."""
    return {
        what: dict(
            manifest.query(
                f"SELECT {column}, count(*) n FROM sightings WHERE class_id = ? AND {wanted}"  # noqa: S608  own words
                f" GROUP BY 1 ORDER BY n DESC, 1 LIMIT {WORDS_PER_CLASS}",
                (class_id,),
            )
        )
        for what, (column, wanted) in _COUNTED.items()
    }


def _sheet(manifest: Manifest, class_id: int) -> list[Shown]:
    """Return the best-ranked pictures of a class."""
    rows = manifest.query(
        "SELECT i.path, s.title, s.site, min(s.rank) FROM sightings s JOIN images i USING (sha256)"
        " WHERE s.class_id = ? AND s.status = 'kept' GROUP BY i.sha256"
        " ORDER BY 4, i.sha256 LIMIT ?",
        (class_id, SHOWN_PER_CLASS),
    )
    return [Shown(*row) for row in rows]
