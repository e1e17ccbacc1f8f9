"""Write the page that shows what a scrape brought in, and why a class is short."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.dataset import Dataset
from pipeline.durable import write_file
from pipeline.manifest import Manifest
from pipeline.rows import KeptPicture
from scraper.outcome import DONE

SHOWN_PER_CLASS = 14
TEMPLATE = Path(__file__).with_name("report.html")


def write_report(
    dataset: Dataset, manifest: Manifest, summary: Mapping[str, object], engine: str
) -> None:
    """Write reports/scrape/index.html and report.json of a data set."""
    names = {row.id: row.name for row in manifest.classes()}
    reasons = dict(
        manifest.query(
            "SELECT reason, count(*) FROM sightings WHERE reason <> '' GROUP BY 1 ORDER BY 2 DESC"
        )
    )
    report = dict(summary) | {"reasons": reasons, "engine": engine}
    page = render(report, best_ranked(manifest.kept_pictures(), names))
    folder = dataset.report("scrape")
    write_file(folder / "index.html", page.encode())
    write_file(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode())


def keep_page(dataset: Dataset, slug: str, html: str, png: bytes) -> Path:
    """Keep a page that could not be read, as HTML and as a picture; return the HTML's path."""
    place = dataset.report("scrape") / f"{slug}.html"
    write_file(place, html.encode())
    write_file(place.with_suffix(".png"), png)
    return place


def best_ranked(
    pictures: Sequence[KeptPicture], names: Mapping[int, str]
) -> dict[str, list[KeptPicture]]:
    """Return class name -> its best-ranked pictures, classes by name."""
    strips: dict[str, list[KeptPicture]] = {name: [] for name in sorted(names.values())}
    for picture in sorted(pictures, key=lambda p: (p.rank, p.sha256)):
        strip = strips[names[picture.class_id]]
        if len(strip) < SHOWN_PER_CLASS:
            strip.append(picture)
    return {name: strip for name, strip in strips.items() if strip}


def render(report: Mapping[str, object], strips: Mapping[str, Sequence[KeptPicture]]) -> str:
    """Return the page's HTML; every text is escaped."""
    from jinja2 import Environment  # noqa: PLC0415  only a finished run needs it

    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(**report, total=report["kept"], strips=strips, done=DONE)
