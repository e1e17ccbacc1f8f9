"""Measure the rate of the base pHash in one process, beside imagehash.phash and bare decoding.

`ours` is the hash alone, from the picture's luma as Pillow decodes it at a fraction of its size;
the small squares are hashed in batches. `ours_in_curate` takes the luma from the colours, as
curate does, which needs them for its measures.
Previews (250 px) and photos (1600 x 1200) are made from the pictures of DIR, the photos by
enlarging a picture and adding grain so that they compress as a camera's do. `draft_decode` is the
limit: Pillow decoding the same luma, and nothing more.
`all_measures` is what curate computes per picture: whole, mirrored and cropped views, the
thumbnail and the quality scores. All take turns in one run; the best round of each counts.
Prints one JSON object.

    python bench/curate/hashing.py DIR [--repeat 5]
"""

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import imagehash
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.pictures import jpeg
from curate.features import cache, phash
from sceneset.images import decode

PREVIEWS, PHOTOS = 400, 24
PREVIEW_SIDE, PHOTO_SIZE = 250, (1600, 1200)
GRAIN = 5.0
BATCH = 100
TARGETS = {
    "previews": {"ours_to_imagehash": 1.7},
    "photos": {"ours_to_imagehash": 3.5, "ours_to_draft_decode": 0.9},
}

Data = Sequence[bytes]


def preview(path: Path) -> bytes:
    """Make a preview as a results page shows it."""
    image = Image.open(path).convert("RGB")
    scale = PREVIEW_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return jpeg(image.resize(size, Image.Resampling.LANCZOS), 85)


def photo(path: Path) -> bytes:
    """Make a photo with grain, about 0.3 to 0.6 MB."""
    image = Image.open(path).convert("RGB").resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, GRAIN, (*PHOTO_SIZE[::-1], 1))
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    return jpeg(Image.fromarray(pixels), 85)


def drafted(data: bytes) -> Image.Image:
    """Decode the luma at the fraction of the size that hashing asks for."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("L", (phash.DECODE_AT_LEAST,) * 2)
        image.load()
    return image


def ours(pictures: Data) -> list[int]:
    """Return the base hash of each picture from its bytes, and compute nothing else."""
    hashes: list[int] = []
    for low in range(0, len(pictures), BATCH):
        batch = pictures[low : low + BATCH]
        pixels = np.stack([phash.shrink(drafted(data), phash.HASH_SIDE) for data in batch])
        hashes += phash.phashes(pixels)[:, 0].tolist()
    return hashes


def ours_in_curate(data: bytes) -> int:
    """Return the base hash from bytes, as curate computes it."""
    image = decode(data, at_least=phash.DECODE_AT_LEAST)
    return int(phash.phashes(phash.shrink(phash.luma(image), phash.HASH_SIDE)[None])[0, 0])


def peer(data: bytes) -> int:
    """Return imagehash.phash from bytes."""
    with Image.open(io.BytesIO(data)) as image:
        bits = np.packbits(imagehash.phash(image).hash)
    return int.from_bytes(bits.tobytes())


def each(function: Callable[[Any], object]) -> Callable[[Sequence[Any]], object]:
    """Return the function for many items that this one is for one."""

    def all_of(items: Sequence[Any]) -> None:
        for item in items:
            function(item)

    return all_of


def rates(
    jobs: dict[str, tuple[Callable[[Any], object], Sequence[object]]], repeat: int
) -> dict[str, dict[str, float]]:
    """Let all jobs take turns; return each one's best and worst pictures per second."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeat):
        for name, (function, items) in jobs.items():
            began = perf_counter()
            function(items)
            seconds[name].append((perf_counter() - began) / len(items))
    return {
        name: {"best_per_s": round(1 / min(s), 1), "worst_per_s": round(1 / max(s), 1)}
        for name, s in seconds.items()
    }


def bits_apart(pictures: Data) -> dict[str, float]:
    """Return how far our hashes are from imagehash's."""
    peers = [peer(data) for data in pictures]
    far = [(a ^ b).bit_count() for a, b in zip(ours(pictures), peers, strict=True)]
    return {"identical": round(far.count(0) / len(far), 3), "most_bits_apart": max(far)}


def compare(name: str, pictures: Data, work: Path, repeat: int) -> dict[str, Any]:
    """Measure one kind of picture."""
    paths = []
    for number, data in enumerate(pictures):
        paths.append(str(work / f"{name}{number}.jpg"))
        Path(paths[-1]).write_bytes(data)
    speeds = rates(
        {
            "ours": (ours, pictures),
            "imagehash_phash": (each(peer), pictures),
            "ours_in_curate": (each(ours_in_curate), pictures),
            "draft_decode": (each(drafted), pictures),
            "all_measures": (each(cache.measure), paths),
        },
        repeat,
    )
    best = {key: value["best_per_s"] for key, value in speeds.items()}
    ratios = {
        "ours_to_imagehash": round(best["ours"] / best["imagehash_phash"], 2),
        "ours_in_curate_to_imagehash": round(best["ours_in_curate"] / best["imagehash_phash"], 2),
        "ours_to_draft_decode": round(best["ours"] / best["draft_decode"], 3),
        "all_measures_to_imagehash": round(best["all_measures"] / best["imagehash_phash"], 2),
    }
    return {
        "pictures": len(pictures),
        "mean_kb": round(sum(map(len, pictures)) / len(pictures) / 1000, 1),
        "per_second": speeds,
        "ratios": ratios,
        "targets": TARGETS[name],
        "beside_imagehash": bits_apart(pictures),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of JPEGs, any depth")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (%(default)s)")
    options = parser.parse_args()
    paths = sorted(options.folder.rglob("*.jpg"))
    chosen = paths[:: max(1, len(paths) // PREVIEWS)][:PREVIEWS]
    kinds = {
        "previews": [preview(path) for path in chosen],
        "photos": [photo(path) for path in chosen[:: max(1, len(chosen) // PHOTOS)][:PHOTOS]],
    }
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        figures: dict[str, Any] = {
            name: compare(name, pictures, work, options.repeat) for name, pictures in kinds.items()
        }
    print(json.dumps(figures | {"load_average": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()
