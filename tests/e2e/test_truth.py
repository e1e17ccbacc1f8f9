"""What the gallery planted is what the pipeline finds."""

from pathlib import Path

import pytest

from curate.commands.curate import curate
from curate.settings import CurateSettings
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from scraper.commands.scrape import scrape
from scraper.gallery.server import running_gallery
from scraper.gallery.settings import GallerySettings
from scraper.settings import ScrapeSettings

QUIET = Output(quiet=True)
CLASSES = ("Beach", "Bike", "Cat", "Night", "Portrait")


@pytest.mark.browser
def test_every_planted_copy_is_found_and_every_original_is_kept(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    drawn = GallerySettings(
        port=0, per_class=40, duplicates=0.5, delay_ms=30, classes=tmp_path / "classes.txt"
    )
    with running_gallery(drawn) as gallery:
        truth = gallery.truth()
        wanted = ScrapeSettings(
            classes=tmp_path / "classes.txt",
            dataset=tmp_path / "set",
            search_url=gallery.search_url,
            per_class=100,
            pause=0,
        )
        scrape(settings=wanted, output=QUIET)
    outcome = curate(
        settings=CurateSettings(dataset=tmp_path / "set", executor="serial"), output=QUIET
    )
    assert outcome.summary["leaks"] == 0
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        names = {row.id: row.name for row in manifest.classes()}
        verdicts = {
            (names[class_id], sha256): (verdict, reason)
            for class_id, sha256, verdict, reason in manifest.query(
                "SELECT class_id, sha256, verdict, reason FROM decisions"
            )
        }
    for name in CLASSES:
        by_docid = {record["docid"]: record for one in CLASSES for record in truth[one]}
        families: dict[str, list[tuple[str, str]]] = {}
        shared = set()
        for record in truth[name]:
            if record["kind"] in {"broken", "placeholder"}:
                assert (name, record["sha256"]) not in verdicts
                continue
            root = record["of"] or record["docid"]
            if record["kind"] == "two_classes" and by_docid[root] not in truth[name]:
                shared.add(root)
            families.setdefault(root, []).append(verdicts[name, record["sha256"]])
        elsewhere = {
            r["of"]
            for one in CLASSES
            for r in truth[one]
            if one != name and r["kind"] == "two_classes"
        }
        for root, family in families.items():
            kept = [one for one in family if one[0] == "keep"]
            reasons = {reason for verdict, reason in family if verdict == "drop"}
            if root in shared | elsewhere:
                assert kept == []
                assert reasons <= {"conflict", "near_duplicate", "exact_duplicate"}
            else:
                assert len(set(kept)) == 1, (name, root, family)
                assert reasons <= {"near_duplicate", "exact_duplicate"}
