"""Measure how fast `cli.py --help` answers, beside a bare Python. Prints one JSON object."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
RUNS = 11
LIMIT_S = 0.5


def median_seconds(words: list[str]) -> float:
    """Return the median wall time of a command over some runs."""
    times = []
    for _ in range(RUNS):
        began = perf_counter()
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        times.append(perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    bare = median_seconds([sys.executable, "-c", "pass"])
    helped = median_seconds([sys.executable, "cli.py", "--help"])
    figures = {
        "bare_python_s": round(bare, 3),
        "help_s": round(helped, 3),
        "limit_s": LIMIT_S,
        "ratio_to_limit": round(helped / LIMIT_S, 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
