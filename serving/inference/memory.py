"""Keep the memory that models take small: what was only read or is freed goes back to the system."""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

_LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
_MAPS = Path("/proc/self/maps")
# A file's mapping that is read and never written: its pages can be dropped and read again.
_READ_SHARED = "r--s"
_DONTNEED = 4
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
APART, KEPT = 2 * 2**20, 8 * 2**20


def unnamed_copy(data: bytes, make: Callable[[], IO[bytes]] = TemporaryFile) -> IO[bytes] | None:
    """Return bytes in an unnamed file, which nobody else can shorten, for native code to map.

    None where there is no such file: no room, no folder for it, or no Linux.
    """
    if _LIBC is None:
        return None
    with suppress(OSError), ExitStack() as stack:
        file = stack.enter_context(make())
        if os.write(file.fileno(), data) == len(data) and Path(path_of(file)).exists():
            stack.pop_all()
            return file
    return None


def path_of(file: IO[bytes]) -> str:
    """Return a path by which this process can open an unnamed file."""
    return f"/proc/self/fd/{file.fileno()}"


def drop_pages(file: IO[bytes]) -> None:
    """Take every page of a file's read-only mappings out of this process; a later read maps it."""
    with suppress(OSError):
        name = str(Path(path_of(file)).readlink())
        for first, last in spans(os.fsdecode(_MAPS.read_bytes()), name):
            _LIBC.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _DONTNEED)


def spans(maps: str, name: str) -> list[tuple[int, int]]:
    """Return first and end address of a file's read-only mappings from the text of /proc/PID/maps.

    A mapping that may be written holds what the file does not, so none of those.
    """
    lines = (line.split(maxsplit=5) for line in maps.splitlines())
    places = [line[0].split("-") for line in lines if line[1::4] == [_READ_SHARED, name]]
    return [(int(first, 16), int(end, 16)) for first, end in places]


def set_malloc_thresholds() -> None:
    """Let the C library give blocks above APART back as soon as they are freed, for good.

    glibc else raises this limit to 32 MiB once so large a block was freed, and keeps twice as much
    for later: 30 bodies of 30 MB left 246 MB resident, and leave 134 so. Whole pictures of 1600 px
    that cannot be decoded scaled take a sixth longer.
    """
    if _LIBC is not None and hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_MMAP_THRESHOLD, APART)
        _LIBC.mallopt(_TRIM_THRESHOLD, KEPT)


def trim_heap() -> None:
    """Return what was freed to the system, where the C library can."""
    if _LIBC is not None and hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
