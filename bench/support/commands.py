"""Run the command line as a user does, and measure what it takes."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from bench.support.processes import TreeMemory

ROOT = Path(__file__).resolve().parents[2]
CLI = (sys.executable, str(ROOT / "cli.py"))
PAUSE_S = 0.2


@dataclass(frozen=True)
class Measured:
    """A command that ended: what it printed, and the peaks of its process tree, sampled."""

    exit_code: int
    printed: str
    seconds: float
    peak: TreeMemory
    peak_after_s: float
    samples: int

    @property
    def answer(self) -> dict[str, Any]:
        """Return the JSON object that it printed."""
        answer: dict[str, Any] = json.loads(self.printed)
        return answer


def run_measured(*words: object) -> Measured:
    """Run a command with --json, and read every 0.2 s what it and its children hold."""
    began, samples, peak, when = perf_counter(), 0, TreeMemory(), 0.0
    with tempfile.TemporaryFile("w+") as printed:
        command = [*CLI, *map(str, words), "--json"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed)
        while process.poll() is None:
            now = TreeMemory.of(process.pid)
            samples += 1
            when = perf_counter() - began if now.pss_mib > peak.pss_mib else when
            peak = TreeMemory(
                max(peak.pss_mib, now.pss_mib),
                max(peak.rss_mib, now.rss_mib),
                max(peak.processes, now.processes),
            )
            sleep(PAUSE_S)
        seconds = perf_counter() - began
        printed.seek(0)
        return Measured(process.returncode, printed.read(), seconds, peak, when, samples)
