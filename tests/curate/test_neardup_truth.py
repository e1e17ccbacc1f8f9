import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from curate import features
from curate.duplicates import find_links
from pipeline.dataset import Dataset
from pipeline.manifest import Manifest
from pipeline.progress import Bars

# Share of 60 edits found, in percent; plain pHash at radius 8 finds 0 flips, 2 crops of 10 %,
# 18 letterboxes and 80 crops of 3 %.
FLOORS = {
    "jpegq30": 100, "jpegq10": 100, "webpq50": 100, "half": 100, "stretch": 100, "gray": 98,
    "bright130": 100, "contrast70": 100, "watermark": 98, "flip": 100, "crop3": 98, "crop10": 98,
    "letterbox": 95, "rot3": 80,
}  # fmt: skip


@pytest.mark.slow
def test_edits_of_known_pictures_are_found(
    shared_data: Path, adopt: Callable[..., Dataset]
) -> None:
    folder = shared_data / "neardup"
    with (folder / "synthetic.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    dataset = adopt({"A": [(folder / row["file"]).read_bytes() for row in rows]})
    with Manifest(dataset.manifest_path) as manifest:
        pictures = {p.rank: p for p in manifest.kept_pictures()}
        files = {p.sha256: dataset.root / p.path for p in pictures.values()}
        features.measure_missing(manifest, files, "serial", lambda _: Bars(None).add(""))
        known = features.load(manifest, files)
    links = find_links(files, known, radius=8, leak_radius=12, views=True)
    copies = {link.pair for link in links if link.duplicate}
    truth = {p.sha256: rows[rank] for rank, p in pictures.items()}
    originals = {row["group"]: s for s, row in truth.items() if row["kind"] == "orig"}
    found: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for sha256, row in truth.items():
        if row["kind"] in FLOORS and row["group"] in originals:
            other = originals[row["group"]]
            number[row["kind"]] += 1
            found[row["kind"]] += (min(sha256, other), max(sha256, other)) in copies
    shares = {kind: 100 * found[kind] / number[kind] for kind in FLOORS}
    assert {k: v for k, v in shares.items() if v < FLOORS[k]} == {}
    strangers = [pair for pair in copies if truth[pair[0]]["group"] != truth[pair[1]]["group"]]
    assert not [p for p in strangers if "negative" in {truth[s]["kind"] for s in p}]
