"""Run `add` and `curate` on odd and broken files: each gets a verdict or a reason, none does harm.

DIR holds folders of files, each taken as a class. The commands run as a user runs them, one process
each, first on ordinary pictures of the same number, then on DIR; `memory_growth_mb` is by how much
the peak grew. Then each file is measured directly, past the checks of `add`, with its own peak and
seconds. Prints one JSON object; the exit status is 1 when a file is without verdict, a command
fails or hangs, or memory grows by more than the limit.

    python bench/curate/odd_files.py DIR
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.commands import CLI, ROOT
from bench.support.pictures import jpeg, smooth
from bench.support.processes import reset_peak, status_kb
from curate.features import cache
from sceneset.errors import OK, PARTIAL

LIMIT_MB = 300
HANG_S = 120
TIMED_OUT = 124  # what `timeout` exits with
SLOW_S = 10
SIDE = (240, 180)


def run(*words: object) -> dict[str, Any]:
    """Run a command with --json; return its exit code, seconds, peak memory and last lines."""
    command = [*CLI, *map(str, words), "--json", "--quiet"]
    began = perf_counter()
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            ["timeout", str(HANG_S), *command], cwd=ROOT, stdout=printed, stderr=printed
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    return {
        "exit_code": process.returncode,
        "hung": process.returncode == TIMED_OUT,
        "traceback": "Traceback" in text,
        "seconds": round(perf_counter() - began, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "said": text[-300:] if process.returncode else "",
    }


def both_commands(folder: Path, dataset: Path) -> dict[str, dict[str, Any]]:
    """Run add, then curate in one process, so that its memory is all of it."""
    return {
        "add": run("add", folder, "--dataset", dataset),
        "curate": run("curate", "--dataset", dataset, "--executor", "serial"),
    }


def draw(folder: Path, number: int) -> None:
    """Draw as many ordinary pictures, in two classes."""
    for seed in range(number):
        place = folder / "AB"[seed % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture = jpeg(smooth(np.random.default_rng(seed), SIDE), 88)
        (place / f"{seed}.jpg").write_bytes(picture)


def verdicts(dataset: Path) -> dict[str, Any]:
    """Count what became of the files, and those without a verdict."""
    with closing(sqlite3.connect(dataset / "manifest.db")) as database:

        def counted(question: str) -> dict[str, int]:
            rows = database.execute(question).fetchall()
            return {" ".join(str(word) for word in row if word): n for *row, n in rows}

        (undecided,) = database.execute(
            "SELECT count(*) FROM sightings s WHERE status = 'kept' AND NOT EXISTS"
            " (SELECT 1 FROM decisions d WHERE d.sha256 = s.sha256 AND d.class_id = s.class_id)"
        ).fetchone()
        return {
            "sightings": counted("SELECT status, reason, count(*) FROM sightings GROUP BY 1, 2"),
            "decisions": counted("SELECT verdict, reason, count(*) FROM decisions GROUP BY 1, 2"),
            "kept_without_decision": undecided,
        }


def peak_mb() -> float:
    """Return the peak of this process's memory in MiB since it was last reset."""
    return status_kb(os.getpid(), "VmHWM") / 1024


def measure_directly(paths: list[Path]) -> list[dict[str, Any]]:
    """Measure each file in this process; return verdict, seconds and growth of memory."""
    answers = []
    for path in paths:
        reset_peak(os.getpid())
        before, began = peak_mb(), perf_counter()
        try:
            measures = cache.measure(str(path))
            broken = measures.get("broken")
            verdict = "measured" if broken is None else "broken: " + broken.decode()
        except Exception as error:  # noqa: BLE001  what escapes is the finding
            verdict = f"escaped: {type(error).__name__}: {error}"
        answers.append(
            {
                "file": f"{path.parent.name}/{path.name}",
                "verdict": verdict,
                "seconds": round(perf_counter() - began, 3),
                "growth_mb": round(peak_mb() - before, 1),
            }
        )
    return answers


def measure_apart(folder: Path) -> list[dict[str, Any]]:
    """Measure the files in a process of its own."""
    command = [sys.executable, __file__, "--directly", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=HANG_S)
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer


def figures(folder: Path, work: Path) -> dict[str, Any]:
    """Measure everything and judge it."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    copied = work / "odd"
    for path in files:
        (copied / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied / path.parent.name / path.name)
    draw(work / "ordinary", len(files))
    ordinary = both_commands(work / "ordinary", work / "ordinary_set")
    odd = both_commands(copied, work / "odd_set")
    counts = verdicts(work / "odd_set")
    direct = measure_apart(folder)
    growth = {name: odd[name]["peak_mb"] - ordinary[name]["peak_mb"] for name in odd}
    most = max(direct, key=lambda one: float(one["growth_mb"]))
    slowest = max(direct, key=lambda one: float(one["seconds"]))
    judged = sum(counts["sightings"].values())
    return {
        "files": len(files),
        "files_with_sighting": judged,
        **counts,
        "commands": odd,
        "ordinary": {name: one["peak_mb"] for name, one in ordinary.items()},
        "memory_growth_mb": growth,
        "limit_mb": LIMIT_MB,
        "directly": dict(Counter(one["verdict"].split(": ")[0] for one in direct)),
        "escaped": [one for one in direct if one["verdict"].startswith("escaped")],
        "directly_most_memory": most,
        "directly_slowest": slowest,
        "passed": judged == len(files)
        and not counts["kept_without_decision"]
        and not any(
            one["exit_code"] not in {OK, PARTIAL} or one["traceback"] for one in odd.values()
        )
        and max(*growth.values(), most["growth_mb"]) < LIMIT_MB
        and slowest["seconds"] < SLOW_S
        and not any(one["verdict"].startswith("escaped") for one in direct),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--directly", action="store_true", help="only measure each file")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.directly:
        paths = sorted(path for path in folder.glob("*/*") if path.is_file())
        print(json.dumps(measure_directly(paths)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        answer = figures(folder, Path(temporary))
    print(json.dumps(answer, indent=2))
    return 0 if answer["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
