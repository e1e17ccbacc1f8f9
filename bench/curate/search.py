"""Measure `pairs_within`: exactness, seconds, memory, and how it compares with the peers.

Hashes are drawn: `uniform` ones of which a tenth are planted copies up to 12 bits away, and
`skewed` ones around 200 common layouts, as real pictures are. Against brute force both recall and
precision are counted. Ours and each peer take turns on the same hashes in one run, and the best of
each counts; the worst of our times says how noisy the machine was. Prints one JSON object.

    python bench/curate/search.py [--peers FOLDER] [--million] [--repeat 5]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.peer_env import Peer, add_option
from curate.duplicates.hamming import Hashes, pairs_within

RADII = (8, 10)
PLANTED_WITHIN = 12
THREADS = 2
MILLION = 1_000_000
LIMITS_S = {10_000: 0.05, 100_000: 0.5, MILLION: 15.0}
LAYOUTS = 200
ROWS = 50_000


def uniform(number: int) -> Hashes:
    """Draw random hashes; a tenth are copies of others with 0 to 12 bits changed."""
    rng = np.random.default_rng(number)
    hashes = rng.integers(0, 2**64, number, dtype=np.uint64)
    copies = number // 10
    changed = hashes[rng.integers(0, number - copies, copies)]
    flips = rng.integers(0, PLANTED_WITHIN + 1, copies)
    for k in range(PLANTED_WITHIN):
        bit = np.uint64(1) << rng.integers(0, 64, copies, dtype=np.uint64)
        changed ^= np.where(flips > k, bit, np.uint64(0))
    hashes[number - copies :] = changed
    return rng.permutation(hashes)


def skewed(number: int) -> Hashes:
    """Draw hashes of random frequencies around common layouts, some far more common than others."""
    rng = np.random.default_rng(number)
    layouts = rng.normal(size=(LAYOUTS, 64))
    shares = rng.dirichlet(np.full(LAYOUTS, 0.3))
    parts = []
    for low in range(0, number, ROWS):
        rows = min(ROWS, number - low)
        strength = 0.4 * rng.gamma(2, 0.5, (rows, 1))
        pull = strength * layouts[rng.choice(LAYOUTS, rows, p=shares)]
        values = pull + rng.normal(size=(rows, 64))
        above = values > np.median(values, axis=1, keepdims=True)
        parts.append(np.packbits(above, axis=1).view(np.uint64)[:, 0])
    return np.concatenate(parts)


DRAWN: dict[str, Callable[[int], Hashes]] = {"uniform": uniform, "skewed": skewed}


def brute_force(hashes: Hashes, radius: int) -> set[tuple[int, int]]:
    """Compare every hash with every later one, with nothing of ours."""
    pairs = set()
    for i in range(len(hashes) - 1):
        distances = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        pairs |= {(i, i + 1 + int(j)) for j in np.flatnonzero(distances <= radius)}
    return pairs


def exactness(hashes: Hashes, radius: int) -> dict[str, float]:
    """Return recall and precision against brute force."""
    true = brute_force(hashes, radius)
    pairs = pairs_within(hashes, radius)
    reported = set(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))
    right = len(reported & true)
    twice = len(pairs.i) - len(reported)
    return {
        "pairs": len(true),
        "recall": right / max(len(true), 1),
        "precision": right / max(len(reported), 1),
        "pairs_met_twice": twice,
    }


def time_search(hashes: Hashes, radius: int) -> float:
    """Return the seconds of one search."""
    began = perf_counter()
    pairs_within(hashes, radius)
    return perf_counter() - began


def times(values: list[float]) -> dict[str, float]:
    """Return the best and the worst of our times in seconds."""
    return {"best_s": round(min(values), 4), "worst_s": round(max(values), 4)}


def take_turns(hashes: Hashes, radius: int, ask: Callable[[], Any], repeat: int) -> dict[str, Any]:
    """Take turns with a peer: our times, its times, and the ratio of the best ones."""
    our_times, peer_times = [], []
    answer: Any = None
    for _ in range(repeat):
        our_times.append(time_search(hashes, radius))
        answer = ask()
        peer_times.append(answer["seconds"])
    return {
        "ours": times(our_times),
        "peer": times(peer_times),
        "times_faster": round(min(peer_times) / min(our_times), 1),
        "same_number_of_pairs": len(pairs_within(hashes, radius).i) == answer["pairs"],
    }


def with_faiss(peer: Peer, work: Path, kind: str, radius: int, *, repeat: int) -> dict[str, Any]:
    """Compare with an exhaustive faiss index with two threads at 100,000 hashes."""
    hashes = DRAWN[kind](100_000)
    np.save(work / "hashes.npy", hashes)
    request = {"file": str(work / "hashes.npy"), "radius": radius, "threads": THREADS}
    return take_turns(hashes, radius, lambda: peer.ask("faiss_range_search.py", request), repeat)


def with_imagededup(peer: Peer, work: Path, radius: int) -> dict[str, Any]:
    """Compare with imagededup's default search at 10,000 hashes, once: it takes long."""
    hashes = uniform(10_000)
    np.save(work / "hashes.npy", hashes)
    request = {"file": str(work / "hashes.npy"), "radius": radius}
    pairs_within(hashes, radius)
    return take_turns(hashes, radius, lambda: peer.ask("imagededup_search.py", request), 2)


def alone(kind: str, number: int, radius: int, repeat: int) -> dict[str, Any]:
    """Search in this process; return its times and its peak memory in MB."""
    hashes = DRAWN[kind](number)
    figures: dict[str, Any] = times([time_search(hashes, radius) for _ in range(repeat)])
    limit = LIMITS_S.get(number)
    if limit:
        figures |= {"limit_s": limit, "ratio_to_limit": round(figures["best_s"] / limit, 2)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures | {"pairs": len(pairs_within(hashes, radius).i), "peak_mb": round(peak)}


def run_apart(*words: object) -> dict[str, Any]:
    """Run `alone` in a process of its own."""
    command = [sys.executable, __file__, "--alone", *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(peers: Path, repeat: int, *, million: bool) -> dict[str, Any]:
    """Measure everything."""
    sizes = [10_000, 100_000] + [MILLION] * million
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        faiss, imagededup = Peer("faiss", peers), Peer("imagededup", peers)
        return {
            "exact_at_20000": {
                f"{kind}_r{r}": exactness(DRAWN[kind](20_000), r) for kind in DRAWN for r in RADII
            },
            "alone": {
                f"{kind}_{size}_r{r}": run_apart(kind, size, r, repeat if size < MILLION else 1)
                for kind in DRAWN
                for size in sizes
                for r in RADII
            },
            "faiss_2_threads_100000": {
                f"{kind}_r{r}": with_faiss(faiss, work, kind, r, repeat=repeat)
                for kind in DRAWN
                for r in RADII
            },
            "imagededup_default_10000": {
                f"r{r}": with_imagededup(imagededup, work, r) for r in RADII
            },
            "load_average": os.getloadavg(),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="search 1,000,000 hashes too")
    parser.add_argument("--repeat", type=int, default=5, help="turns per figure (%(default)s)")
    parser.add_argument("--alone", nargs=4, metavar="WORD", help="KIND NUMBER RADIUS REPEAT")
    add_option(parser)
    options = parser.parse_args()
    if options.alone:
        kind, *numbers = options.alone
        figures = alone(kind, *map(int, numbers))
    else:
        figures = measure(options.peers.resolve(), options.repeat, million=options.million)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
