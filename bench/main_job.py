"""Run the main job on a folder of class folders and measure each stage.

The embedded gallery serves the folder; scrape, curate, train and classify run as a user runs them.
Prints one JSON object: what was served, found, kept and dropped, the test metrics, and each stage's
seconds and peak memory (proportional set size of the whole process tree, sampled, in MB).

    python bench/main_job.py PICTURES --weights WEIGHTS.h5 --work DIR
"""

import argparse
import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sceneset.manifest.store import Manifest
from scraper.gallery.server import running_gallery
from scraper.gallery.settings import GallerySettings

SAMPLE_S = 0.3


def tree(root: int) -> set[int]:
    """Return a process and all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found, fresh = {root}, {root}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def proportional_mb(root: int) -> float:
    """Return the proportional set size of a process tree in MB."""
    total = 0
    for process in tree(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def run(*words: object) -> dict[str, Any]:
    """Run a command with --json; return its object with seconds and peak memory."""
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "cli.py", *map(str, words), "--json", "--quiet"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], proportional_mb(process.pid))
            sleep(SAMPLE_S)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    printed, _ = process.communicate()
    answer: dict[str, Any] = json.loads(printed)
    return answer | {
        "exit_code": process.returncode,
        "wall_s": round(perf_counter() - began, 1),
        "peak_mb": round(peak[0]),
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
        found = {image.sha256 for image in manifest.images()}
    curated = run("curate", "--dataset", dataset)
    trained = run("train", "--dataset", dataset, "--out", model, "--weights", options.weights)
    classified = run("classify", *files[:: max(1, len(files) // 200)], "--model", model)
    figures = {
        "served_files": len(files),
        "served_contents": len(served),
        "found_identical": len(found & served),
        "found_strange": len(found - served),
        "scrape": shortened(scraped, "kept"),
        "curate": shortened(curated, "images", "kept", "dropped", "splits", "leaks", "seconds"),
        "train": shortened(trained, "recipe", "metrics", "seconds"),
        "classify": {"files": len(classified["predictions"])} | shortened(classified),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
