"""Read the labelled copies, and ask curate which pictures are copies.

A folder holds synthetic.csv (file, group, kind, source: pictures of one group are copies of its
`orig`) and natural-intel.csv (a, b: real pairs). Thresholds may be tuned on one half of the
sources; the other is held out.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from bench.support.adopt import adopt
from curate.duplicates.frames import measure
from curate.duplicates.links import find_links
from curate.settings import CurateSettings
from sceneset.manifest.store import Manifest
from sceneset.progress import Bars

Pair = frozenset[str]
HALVES = ("tuning", "held_out")


@dataclass(frozen=True)
class Known:
    """What is known of one picture: its group, how it was edited, which half it is in."""

    group: str
    kind: str
    half: str


@dataclass(frozen=True)
class Truth:
    """The labelled pictures by file name, and the real pairs beside them."""

    pictures: Mapping[str, Known]
    natural: frozenset[Pair]


def half_of(source: str) -> str:
    """Return the half of a source: the tuning one when the SHA-256 of its name is even."""
    return HALVES[hashlib.sha256(source.encode()).digest()[-1] % 2]


def read_truth(folder: Path) -> Truth:
    """Read both tables."""
    with (folder / "synthetic.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "natural-intel.csv").open(newline="") as file:
        natural = [(Path(row["a"]).name, Path(row["b"]).name) for row in csv.DictReader(file)]
    return Truth(
        {Path(r["file"]).name: Known(r["group"], r["kind"], half_of(r["source"])) for r in rows},
        frozenset(map(frozenset, natural)),
    )


def copies_among(folder: Path, root: Path) -> set[Pair]:
    """Return the pairs of file names that curate takes for copies, with its default settings."""
    settings = CurateSettings(dataset=root)
    dataset = adopt(root, {"All": sorted(folder.iterdir())})
    with Manifest(dataset.manifest_path) as manifest:
        files = {p.sha256: dataset.root / p.path for p in manifest.kept_pictures()}
        known = measure(manifest, files, settings, lambda _: lambda _: Bars(None).add("", 0))
    links = find_links(
        [s for s in files if s not in known.broken],
        known,
        radius=settings.radius,
        leak_radius=settings.leak_radius,
        views=settings.views,
    )
    names = defaultdict(list)
    for path in folder.iterdir():
        names[hashlib.sha256(path.read_bytes()).hexdigest()].append(path.name)
    same = {frozenset(two) for group in names.values() for two in combinations(group, 2)}
    return same | {
        frozenset((a, b))
        for link in links
        if link.duplicate
        for a in names[link.first]
        for b in names[link.second]
    }
