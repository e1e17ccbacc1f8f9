"""Measure how well copies are found on pictures whose truth is known, beside the peers.

DIR holds synthetic.csv (file, group, kind, source: pictures of one group are copies of its
`orig`) and natural-intel.csv (a, b: real pairs). For each method, and for the half of the sources
that thresholds may be tuned on and the half held out (the SHA-256 of the source's name is even, or
odd): the share of edits found per kind, and the false pairs per million pairs of different
pictures. Pairs of two look-alike hard negatives are counted apart. Prints one JSON object.

    python bench/curate/near_duplicates.py DIR [--only ours] [--list]
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from math import comb
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.copies import HALVES, Known, Pair, Truth, copies_among, read_truth
from bench.support.peer_env import Peer, add_option

HARD = "hard_negative"
PDQ_WITHIN = 31


def ours(folder: Path, work: Path) -> set[Pair]:
    """Return the pairs that curate takes for copies, with its default settings."""
    return copies_among(folder, work / "set")


def plain_phash(folder: Path, within: int) -> set[Pair]:
    """Return the pairs whose imagehash.phash differ by at most `within` bits."""
    import imagehash  # noqa: PLC0415  not needed with --only ours

    hashes = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            hashes[path.name] = np.packbits(imagehash.phash(image).hash).view(np.uint64)[0]
    return {
        frozenset((a, b))
        for a, b in combinations(hashes, 2)
        if np.bitwise_count(hashes[a] ^ hashes[b]) <= within
    }


def methods(folder: Path, work: Path, peers: Path) -> dict[str, Callable[[], set[Pair]]]:
    """Return what is compared, by name."""

    def ask_peer(name: str, **request: object) -> set[Pair]:
        request["folder"] = str(folder)
        return set(map(frozenset, Peer(name, peers).ask(f"{name}_pairs.py", request)["pairs"]))

    return {
        "ours": lambda: ours(folder, work),
        "imagehash_phash_8": lambda: plain_phash(folder, 8),
        "imagehash_phash_10": lambda: plain_phash(folder, 10),
        "imagededup_default": lambda: ask_peer("imagededup"),
        f"pdqhash_{PDQ_WITHIN}": lambda: ask_peer("pdqhash", within=PDQ_WITHIN),
    }


def recall(pairs: set[Pair], pictures: Mapping[str, Known]) -> dict[str, float]:
    """Return the percentage of edits found as copies of their original, per kind."""
    originals = {k.group: name for name, k in pictures.items() if k.kind == "orig"}
    hits: dict[str, list[bool]] = defaultdict(list)
    for name, known in pictures.items():
        if known.group in originals and known.kind != "orig":
            hits[known.kind].append(frozenset((name, originals[known.group])) in pairs)
    return {kind: round(100 * sum(h) / len(h), 1) for kind, h in sorted(hits.items())}


def strangers(pairs: Iterable[Pair], pictures: Mapping[str, Known]) -> list[list[str]]:
    """Return the pairs of different groups, each sorted."""
    return sorted(
        sorted(pair)
        for pair in pairs
        if pair <= pictures.keys() and len({pictures[name].group for name in pair}) > 1
    )


def distinct_pairs(pictures: Mapping[str, Known]) -> int:
    """Count the pairs of different groups, without those of two hard negatives."""
    groups: dict[str, int] = defaultdict(int)
    for known in pictures.values():
        groups[known.group] += 1
    hard = sum(known.kind == HARD for known in pictures.values())
    return comb(len(pictures), 2) - sum(comb(n, 2) for n in groups.values()) - comb(hard, 2)


def figures(pairs: set[Pair], pictures: Mapping[str, Known], *, listed: bool) -> dict[str, Any]:
    """Return recall and false pairs among some of the pictures."""
    false = strangers(pairs, pictures)
    hard = [pair for pair in false if all(pictures[name].kind == HARD for name in pair)]
    plain = [pair for pair in false if pair not in hard]
    number = distinct_pairs(pictures)
    kinds = recall(pairs, pictures)
    answer: dict[str, Any] = {
        "recall_percent": kinds,
        "mean_recall_percent": round(sum(kinds.values()) / len(kinds), 2),
        "false_pairs": len(plain),
        "false_picture_pairs": len({frozenset(pictures[n].group for n in p) for p in plain}),
        "distinct_pairs": number,
        "false_pairs_per_million": round(1e6 * len(plain) / number, 2),
        "hard_negative_pairs": len(hard),
    }
    return answer | ({"false": plain, "hard": hard} if listed else {})


def measure(find: Callable[[], set[Pair]], truth: Truth, *, listed: bool) -> dict[str, Any]:
    """Return one method's figures: each half, all, and the real pairs."""
    began = perf_counter()
    pairs = find()
    seconds = perf_counter() - began
    halves = {
        half: {name: known for name, known in truth.pictures.items() if known.half == half}
        for half in HALVES
    }
    return {
        **{half: figures(pairs, part, listed=False) for half, part in halves.items()},
        "all": figures(pairs, truth.pictures, listed=listed),
        "natural_recall_percent": round(100 * len(truth.natural & pairs) / len(truth.natural), 1),
        "seconds_noisy": round(seconds, 1),
    } | ({"natural_missed": sorted(map(sorted, truth.natural - pairs))} if listed else {})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--only", action="append", metavar="METHOD", help="may be repeated")
    parser.add_argument("--list", action="store_true", help="name the false pairs")
    add_option(parser)
    options = parser.parse_args()
    source = options.folder.resolve()
    truth = read_truth(source)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        pictures = work / "pictures"
        pictures.mkdir(parents=True)
        for path in sorted((*source.glob("synthetic/*"), *source.glob("natural-intel/*"))):
            (pictures / path.name).symlink_to(path)
        known = methods(pictures, work, options.peers.resolve())
        chosen = {name: known[name] for name in options.only or known}
        answers = {name: measure(find, truth, listed=options.list) for name, find in chosen.items()}
    print(json.dumps(answers, indent=2))


if __name__ == "__main__":
    main()
