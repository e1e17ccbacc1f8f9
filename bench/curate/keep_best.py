"""Measure how often the original is kept of an original and its edited copy.

DIR holds synthetic.csv (file, group, kind, source: pictures of one group are copies of its `orig`).
Each edit is met alone with its original, as two pictures of one class; pairs that are not linked as
copies are left out. Beside the folder's edits, marks are drawn over the originals, as sites do.
Prints, for the tuning and the held-out half (see near_duplicates.py) and per kind, how many pairs
were linked and in how many of them the original was kept.

    python bench/curate/keep_best.py DIR
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.copies import Known, read_truth
from bench.support.marks import MARKS, marked
from curate.duplicates.links import find_links, with_frames
from curate.duplicates.representative import find_enlarged, keep_best, ranked
from curate.features import cache
from curate.features.cache import Features
from curate.features.fidelity import Fidelity
from curate.settings import CurateSettings
from sceneset.images import read_header
from sceneset.manifest.rows import KeptPicture

SETTINGS = CurateSettings()


@dataclass(frozen=True)
class Picture:
    """One file, measured as curate measures it."""

    row: KeptPicture
    measures: Mapping[str, bytes]
    fidelity: Fidelity


def measure(path: Path) -> Picture:
    """Measure one file."""
    data = path.read_bytes()
    header = read_header(data)
    sha256 = hashlib.sha256(data).hexdigest()
    size = (header.width, header.height, len(data))
    row = KeptPicture(1, sha256, path.name, header.format, *size, 0, "", "", "")
    closer = cache.measure_fidelity(str(path))["fidelity"]
    return Picture(row, cache.measure(str(path)), Fidelity.from_bytes(closer))


def features_of(pair: Mapping[str, Picture]) -> Features:
    """Return the features of a few pictures."""
    kinds = cache.algorithms()
    return cache.unpack({k: {s: p.measures[k] for s, p in pair.items()} for k in kinds})


def drop(first: Picture, second: Picture) -> str | None:
    """Return the SHA-256 of the copy that is dropped, None when they are no copies."""
    pair = {p.row.sha256: p for p in (first, second)}
    known = features_of(pair)
    links = find_links(
        pair,
        known,
        radius=SETTINGS.radius,
        leak_radius=SETTINGS.leak_radius,
        views=SETTINGS.views,
    )
    fidelity = {s: p.fidelity for s, p in pair.items()}
    copies = with_frames([link for link in links if link.duplicate], fidelity, known.thumbs)
    grown = find_enlarged((x[:2] for x in copies if x.is_comparable), fidelity)
    order = ranked([p.row for p in pair.values()], fidelity, enlarged=grown)
    return next(iter(keep_best(order, copies, fidelity=fidelity)), None)


def draw_marks(
    paths: Mapping[str, Path], pictures: Mapping[str, Known], folder: Path
) -> Iterator[tuple[Path, Known]]:
    """Write a copy of every original with each kind of mark."""
    for name, known in pictures.items():
        if known.kind == "orig":
            image = Image.open(paths[name]).convert("RGB")
            for kind in MARKS:
                path = folder / f"{kind}_{name}"
                path.write_bytes(marked(image, kind, name))
                yield path, replace(known, kind=kind)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder.resolve()
    pictures = read_truth(folder).pictures
    paths = {path.name: path for path in folder.glob("synthetic/*")}
    originals = {k.group: measure(paths[n]) for n, k in pictures.items() if k.kind == "orig"}
    tallies: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    with tempfile.TemporaryDirectory() as drawn:
        edits = [(paths[name], known) for name, known in pictures.items() if known.kind != "orig"]
        for path, known in [*edits, *draw_marks(paths, pictures, Path(drawn))]:
            if known.group not in originals:
                continue
            copy = measure(path)
            out = drop(originals[known.group], copy)
            if out is not None:
                tally = tallies[known.half][known.kind]
                tally[0] += out == copy.row.sha256
                tally[1] += 1
    print(json.dumps({half: _readable(kinds) for half, kinds in sorted(tallies.items())}, indent=2))


def _readable(kinds: Mapping[str, list[int]]) -> dict[str, str]:
    return {kind: f"{kept} of {pairs}" for kind, (kept, pairs) in sorted(kinds.items())}


if __name__ == "__main__":
    main()
