"""Read the labelled copies: which pictures are edits of which, and the real pairs beside them.

A folder holds synthetic.csv (file, group, kind, source: pictures of one group are copies of its
`orig`) and natural-intel.csv (a, b: real pairs). Thresholds may be tuned on one half of the
sources; the other is held out.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
