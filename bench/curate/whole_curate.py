"""Measure a whole curate of 10,000 previews beside imagededup on the same files.

The previews are drawn, or cut from the pictures of DIR; a tenth are re-encoded, shrunken or
slightly cropped copies. imagededup hashes, searches and decides. `same_part` is just that with our
functions: the base hash from luma, all pairs within 10 bits, keep the best; `decode_only` is the
limit of that: the same workers decoding the same luma and nothing more. `curate` is the
command: it also compares mirrored and cropped views, scores quality, settles conflicts, splits,
resizes, audits and reports; `curate_to_decision` are its steps up to the decision. Every side
uses two processes. Prints one JSON object.

    python bench/curate/whole_curate.py [DIR] [--number 10000] [--repeat 2] [--peers FOLDER]
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.adopt import adopt
from bench.support.peer_env import Peer, add_option
from bench.support.pictures import jpeg
from curate.commands.curate import curate
from curate.duplicates.hamming import pairs_within
from curate.duplicates.links import Link
from curate.duplicates.representative import keep_best
from curate.features import phash
from curate.settings import CurateSettings
from sceneset.progress import Output
from sceneset.workers import map_items

SIDE = (250, 188)
COPIES = 10  # one in so many is a copy
PEER_RADIUS = 10
CHUNK = 100
WORKERS = "local:2"
TARGET = 20
CORNERS = ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4))


def draw(number: int) -> Iterator[Image.Image]:
    """Draw pictures with large shapes and fine detail, each like no other."""
    for seed in range(number):
        rng = np.random.default_rng(seed)
        layers = [
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).resize(
                SIDE, Image.Resampling.BICUBIC
            )
            for shape in ((5, 6, 3), (24, 32, 3))
        ]
        yield Image.blend(layers[0], layers[1], 0.35)


def cut(folder: Path, number: int) -> Iterator[Image.Image]:
    """Cut previews from pictures: all of each first, then 60 % of its sides at each corner."""
    paths = sorted(folder.rglob("*.jpg"))
    for k in range(number):
        image = Image.open(paths[k % len(paths)]).convert("RGB")
        turn = k // len(paths)
        if turn:
            x, y = CORNERS[(turn - 1) % len(CORNERS)]
            box = (x * image.width, y * image.height)
            image = image.resize(
                SIDE, box=(*box, box[0] + 0.6 * image.width, box[1] + 0.6 * image.height)
            )
        image.thumbnail((SIDE[0], SIDE[0]))
        yield image


def copy(image: Image.Image, number: int) -> Image.Image:
    """Shrink or crop a picture, or leave it to be encoded again."""
    width, height = image.size
    if number % 3 == 0:
        return image.resize((max(64, width * 2 // 3), max(64, height * 2 // 3)))
    return image.crop((2, 2, width - 2, height - 2)) if number % 3 == 1 else image


def write(folder: Path, pictures: Iterator[Image.Image], number: int) -> list[Path]:
    """Write `number` files, every tenth a copy of the one before."""
    folder.mkdir()
    paths: list[Path] = []
    for k, image in enumerate(pictures):
        for quality, one in ((88, image), (60, copy(image, k)))[: 1 + (k % (COPIES - 1) == 0)]:
            if len(paths) == number:
                return paths
            paths.append(folder / f"{len(paths):05}.jpg")
            paths[-1].write_bytes(jpeg(one, quality))
    return paths


def base_hashes(paths: Sequence[str]) -> list[int]:
    """Return the base hash of each file, from its luma at a fraction of its size."""
    squares = []
    for path in paths:
        with Image.open(path) as image:
            image.draft("L", (phash.DECODE_AT_LEAST,) * 2)
            squares.append(phash.shrink(phash.luma(image), phash.HASH_SIDE))
    return [int(value) for value in phash.phashes(np.stack(squares))[:, 0]]


def decode_all(paths: Sequence[str]) -> None:
    """Decode what `base_hashes` decodes, and nothing more."""
    for path in paths:
        with Image.open(path) as image:
            image.draft("L", (phash.DECODE_AT_LEAST,) * 2)
            image.load()


def chunk(paths: Sequence[Path]) -> list[list[str]]:
    """Return the paths in portions for the workers."""
    names = [str(path) for path in paths]
    return [names[low : low + CHUNK] for low in range(0, len(names), CHUNK)]


def decode_limit(paths: Sequence[Path]) -> float:
    """Return the seconds that decoding alone takes, the threads' start included."""
    began = perf_counter()
    list(map_items(decode_all, chunk(paths), WORKERS))
    return perf_counter() - began


def same_part(paths: Sequence[Path]) -> dict[str, float]:
    """Hash, search and decide with our functions; return the seconds of each and the drops."""
    began = perf_counter()
    results = list(map_items(base_hashes, chunk(paths), WORKERS))
    hashes = np.array([value for result in results for value in result.value or ()], np.uint64)
    hashed = perf_counter()
    pairs = pairs_within(hashes, PEER_RADIUS)
    searched = perf_counter()
    names = [str(path) for path in paths]
    order = sorted(names, key=lambda name: (-Path(name).stat().st_size, name))
    links = [
        Link(names[i], names[j], int(d), "whole", duplicate=True)
        for i, j, d in zip(*pairs, strict=True)
    ]
    dropped = keep_best(order, links)
    decided = perf_counter()
    return {
        "hash_s": hashed - began,
        "search_s": searched - hashed,
        "decide_s": decided - searched,
        "total_s": decided - began,
        "removed": len(dropped),
    }


def peer_part(peer: Peer, folder: Path) -> dict[str, float]:
    """Let imagededup do its part; return its seconds."""
    answer = peer.ask("imagededup_pairs.py", {"folder": str(folder)})
    seconds = {key: answer[key] for key in ("hash_s", "search_s", "decide_s")}
    return seconds | {"total_s": sum(seconds.values()), "removed": answer["removed"]}


def run_curate(paths: Sequence[Path], work: Path) -> dict[str, Any]:
    """Run the command on a fresh data set of two classes; return its seconds by step."""
    half = len(paths) // 2
    dataset = adopt(work, {"First": paths[:half], "Second": paths[half:]})
    began = perf_counter()
    settings = CurateSettings(dataset=dataset.root, executor="local:2")
    summary = curate(settings=settings, output=Output(quiet=True)).summary
    total = perf_counter() - began
    return {
        "total_s": round(total, 2),
        "steps_s": {step: round(s, 2) for step, s in summary["seconds"].items()},
        "to_decision_s": round(
            sum(
                s
                for step, s in summary["seconds"].items()
                if step in {"measure", "search", "decide"}
            ),
            2,
        ),
        "kept": summary["kept"],
        "dropped": summary["dropped"],
        "leaks": summary["leaks"],
    }


def best(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the fastest round and the slowest total."""
    fastest = min(rounds, key=lambda one: one["total_s"])
    slowest = max(one["total_s"] for one in rounds)
    return {k: round(v, 3) for k, v in (fastest | {"slowest_total_s": slowest}).items()}


def measure(paths: Sequence[Path], work: Path, peer: Peer, repeat: int) -> dict[str, Any]:
    """Let all take turns."""
    peer.make()
    ours, peers, curates, limits = [], [], [], []
    for k in range(repeat):
        limits.append(decode_limit(paths))
        ours.append(same_part(paths))
        peers.append(peer_part(peer, paths[0].parent))
        curates.append(run_curate(paths, work / f"set{k}"))
    curate_s = min(curates, key=lambda one: float(one["total_s"]))
    peer_s = best(peers)
    part_s = best(ours)
    return {
        "pictures": len(paths),
        "imagededup": peer_s,
        "same_part": part_s,
        "curate": curate_s,
        "same_part_times_faster": round(peer_s["total_s"] / part_s["total_s"], 1),
        "curate_to_decision_times_faster": round(peer_s["total_s"] / curate_s["to_decision_s"], 2),
        "whole_curate_times_faster": round(peer_s["total_s"] / curate_s["total_s"], 2),
        "target_same_part": TARGET,
        "decode_only_s": round(min(limits), 2),
        "decode_only_times_faster": round(peer_s["total_s"] / min(limits), 1),
        "load_average": os.getloadavg(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR")
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=2, help="rounds (%(default)s)")
    add_option(parser)
    options = parser.parse_args()
    peer = Peer("imagededup", options.peers.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        number = options.number
        pictures = cut(options.folder, number) if options.folder else draw(number)
        paths = write(work / "previews", pictures, number)
        figures = measure(paths, work, peer, options.repeat)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
