"""Run the main job on a folder of class folders and measure each stage.

The embedded gallery serves the folder; scrape, curate, train and classify run as a user runs them.
Prints one JSON object: what was served, found, kept and dropped, the test metrics, and each stage's
seconds and peak memory (proportional set size of the whole process tree, sampled, in MB).

    python bench/main_job.py PICTURES --weights WEIGHTS.h5 --work DIR
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.support.commands import run_measured
from sceneset.manifest.store import Manifest
from scraper.gallery.server import running_gallery
from scraper.gallery.settings import GallerySettings


def run(*words: object) -> dict[str, Any]:
    """Run a command; return its JSON object with seconds and peak memory."""
    done = run_measured(*words, "--quiet")
    return done.answer | {
        "exit_code": done.exit_code,
        "wall_s": round(done.seconds, 1),
        "peak_mb": round(done.peak.pss_mib),
    }


def shortened(answer: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Keep some keys of a stage's answer, and what was measured of it."""
    return {k: answer[k] for k in (*keys, "exit_code", "wall_s", "peak_mb") if k in answer}


def main() -> None:
    """Run every stage and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    pictures, work = options.pictures.resolve(), options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    names = sorted(p.name for p in pictures.iterdir() if p.is_dir())
    (work / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    files = [p for p in pictures.glob("*/*") if p.is_file()]
    served = {hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    dataset, model = work / "set", work / "model"
    with running_gallery(GallerySettings(port=0, pictures=pictures)) as gallery:
        where = ("--search-url", gallery.search_url, "--per-class", 600, "--pause", 0)
        scraped = run("scrape", "--classes", work / "classes.txt", "--dataset", dataset, *where)
    with Manifest(dataset / "manifest.db") as manifest:
        kept = {image.sha256 for image in manifest.images()}
    curated = run("curate", "--dataset", dataset)
    trained = run("train", "--dataset", dataset, "--out", model, "--weights", options.weights)
    classified = run("classify", *files[:: max(1, len(files) // 200)], "--model", model)
    figures = {
        "served_files": len(files),
        "served_contents": len(served),
        "found_identical": len(kept & served),
        "found_strange": len(kept - served),
        "scrape": shortened(scraped, "kept"),
        "curate": shortened(curated, "images", "kept", "dropped", "splits", "leaks", "seconds"),
        "train": shortened(trained, "recipe", "metrics", "seconds"),
        "classify": {"files": len(classified["predictions"])} | shortened(classified),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
