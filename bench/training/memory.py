"""Measure how much memory a training of many pictures takes, all its processes together.

Makes a published version of distinct JPEGs (crops of the pictures in DIR, each with its own noise)
unless an earlier run did, trains on it by the command line, and reads every 0.2 s what the command
and its children hold: the sum of their proportional set sizes, in which pages that several share
count once, and of their resident sets. Prints one JSON object.

    python bench/training/memory.py DIR --weights W.h5 --work DIR [--pictures 15000] [--recipe fast]
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.commands import run_measured
from bench.support.pictures import grainy, jpeg
from sceneset.checksums import write_checksums
from sceneset.class_list import slug_of
from sceneset.dataset import create_dataset
from sceneset.manifest.rows import Split
from sceneset.manifest.store import Manifest
from sceneset.versions.published import MANIFEST_NAME, PublishedPicture, manifest_csv, version_id

SIZE = 160
NOISE = 6.0
LIMIT_MB = 2000
# Of ten pictures eight are for training, one for validation, one for testing.
SPLITS: tuple[Split, ...] = (*(("train",) * 8), "val", "test")


def vary(path: Path, number: int) -> bytes:
    """Return a JPEG of half to all of a picture's area, mirrored or not, with noise."""
    rng = np.random.default_rng(number)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    share = rng.uniform(0.7, 1.0)
    width, height = (round(share * side) for side in image.size)
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    box = (left, top, left + width, top + height)
    square = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box))
    turned = Image.fromarray(square[:, :: int(rng.choice([1, -1]))])
    return jpeg(grainy(turned, rng, NOISE), 90)


def publish(source: Path, root: Path, count: int) -> Path:
    """Publish so many pictures, the classes of a folder of folders in turn."""
    folder = root / "curated" / "versions" / "1"
    if (folder / "dataset.json").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    with Manifest(create_dataset(root).manifest_path):
        pass
    classes = sorted(p for p in source.iterdir() if p.is_dir())
    files = [sorted(p for p in one.iterdir() if p.is_file()) for one in classes]
    names = [one.name for one in classes]
    rows = []
    for number in range(count):
        label, turn = number % len(classes), number // len(classes)
        data = vary(files[label][turn % len(files[label])], number)
        digest = hashlib.sha256(data).hexdigest()
        split, name = SPLITS[turn % len(SPLITS)], names[label]
        path = folder / split / slug_of(name) / f"{digest[:16]}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        relative = path.relative_to(folder).as_posix()
        rows.append(
            PublishedPicture(
                relative, label, name, split, digest, digest[:16], SIZE, SIZE, "", "", ""
            )
        )
    (folder / MANIFEST_NAME).write_bytes(manifest_csv(rows))
    write_checksums(folder)
    record = {"version": version_id(rows), "class_names": names, "size": SIZE}
    (folder / "dataset.json").write_text(json.dumps(record))
    (root / "curated" / "current").symlink_to("versions/1")
    return root


def train(*words: object) -> dict[str, object]:
    """Run a training and return its peaks and its seconds and accuracy."""
    done = run_measured("train", *words)
    if done.exit_code:
        sys.exit(f"the training ended with exit code {done.exit_code}")
    return {
        "peak_pss_mb": round(done.peak.pss_mib),
        "peak_rss_mb": round(done.peak.rss_mib),
        "most_processes": done.peak.processes,
        "peak_after_s": round(done.peak_after_s),
        "samples": done.samples,
        "seconds": done.answer["seconds"],
        "top1": done.answer["metrics"]["top1"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="DIR", help="one folder of pictures per class")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top")
    parser.add_argument("--work", type=Path, required=True, help="where the data set is made")
    parser.add_argument("--pictures", type=int, default=15000, help="(%(default)s)")
    parser.add_argument("--recipe", choices=["fast", "best"], default="fast")
    options = parser.parse_args()
    root = publish(options.source, options.work / f"{options.pictures}", options.pictures)
    shutil.rmtree(root / "cache", ignore_errors=True)
    out = options.work / f"model-{options.recipe}"
    peaks = train("--dataset", root, "--weights", options.weights, "--recipe", options.recipe,
                  "--out", out)  # fmt: skip
    bytes_kept = sum(p.stat().st_size for p in (root / "cache").rglob("*") if p.is_file())
    figures = {
        "pictures": options.pictures,
        "size": SIZE,
        "recipe": options.recipe,
        **peaks,
        "cache_mb_after": round(bytes_kept / 1e6),
        "limit_mb": LIMIT_MB,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
