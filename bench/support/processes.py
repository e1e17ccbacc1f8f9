"""Start a server and read what the system says of its process: memory, descriptors, threads."""

import http.client
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

START_S = 120
MB = 1_000_000


@dataclass(frozen=True)
class Sampled:
    """A process at a moment, in seconds from the beginning; MB are millions of bytes."""

    seconds: float
    resident_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int, seconds: float) -> Self:
        """Read one process; all zero when it is gone."""
        root = Path(f"/proc/{pid}")
        with suppress(OSError, IndexError):
            words = (root / "status").read_text()
            resident = round(int(words.split("VmRSS:")[1].split()[0]) * 1024 / MB, 1)
            threads = int(words.split("Threads:")[1].split()[0])
            return cls(round(seconds, 1), resident, len(list((root / "fd").iterdir())), threads)
        return cls(seconds, 0.0, 0, 0)


def lows(samples: list[Sampled], seconds: float) -> list[Sampled]:
    """Return the smallest of every so many seconds: what is held for good, not for a moment."""
    parts: dict[int, list[Sampled]] = {}
    for one in samples:
        parts.setdefault(int(one.seconds / seconds), []).append(one)
    return [min(part, key=lambda one: one.resident_mb) for part in parts.values()]


def slope(samples: list[Sampled]) -> float:
    """Return the growth in MB of a million bytes a minute, by least squares."""
    middle = sum(one.seconds for one in samples) / len(samples)
    level = sum(one.resident_mb for one in samples) / len(samples)
    spread = sum((one.seconds - middle) ** 2 for one in samples) or 1.0
    up = sum((one.seconds - middle) * (one.resident_mb - level) for one in samples)
    return round(60 * up / spread, 3)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def started(
    words: list[str], port: int, cwd: Path, path: str = "/healthz", body: bytes | None = None
) -> tuple["subprocess.Popen[bytes]", float]:
    """Start a server; return it and the seconds from its start to its first 200.

    Raises RuntimeError when it does not come up.
    """
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=sys.stderr, cwd=cwd)
    while not _answers(port, path, body):
        if process.poll() is not None or time.perf_counter() - began > START_S:
            process.kill()
            raise RuntimeError(f"{words[0]} does not come up")
        time.sleep(0.005)
    return process, time.perf_counter() - began


def _answers(port: int, path: str, body: bytes | None) -> bool:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, body, headers)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False
