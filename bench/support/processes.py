"""Read what the kernel says of processes: memory (a kB is 1,024 bytes), descriptors, threads."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MB = 1_000_000


def status_kb(pid: int, field: str = "VmRSS") -> int:
    """Return a field of a process' status in kB. Raises OSError or IndexError when it is gone."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0])


def megabytes(kb: int) -> float:
    """Return kB as millions of bytes."""
    return kb * 1024 / MB


def reset_peak(pid: int) -> None:
    """Let VmHWM begin anew at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def session_mb(leader: int) -> float:
    """Return the resident memory of a session's processes, in MB of a million bytes."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if os.getsid(int(folder.name)) == leader:
                total += status_kb(int(folder.name))
    return round(megabytes(total), 1)


def descendants(parent: int) -> Iterator[int]:
    """Yield a process and everything below it."""
    yield parent
    for thread in Path(f"/proc/{parent}/task").glob("*"):
        with suppress(OSError):
            for child in (thread / "children").read_text().split():
                yield from descendants(int(child))


@dataclass(frozen=True)
class TreeMemory:
    """What a process and its descendants hold: proportional and resident set size, in MiB."""

    pss_mib: float = 0.0
    rss_mib: float = 0.0
    processes: int = 0

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read a process tree."""
        pss = rss = count = 0
        for process in descendants(pid):
            with suppress(OSError):
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
                fields = {line.split(":")[0]: line.split()[1] for line in lines}
                pss, rss, count = pss + int(fields["Pss"]), rss + int(fields["Rss"]), count + 1
        return cls(pss / 1024, rss / 1024, count)


@dataclass(frozen=True)
class Sample:
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
            threads = int(words.split("Threads:")[1].split()[0])
            resident = round(megabytes(status_kb(pid)), 1)
            return cls(round(seconds, 1), resident, len(list((root / "fd").iterdir())), threads)
        return cls(seconds, 0.0, 0, 0)
