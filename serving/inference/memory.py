"""Keep the memory that models take small: what was only read or is freed goes back to the system."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_MAPS = Path("/proc/self/maps")
# A file's mapping that is read and never written: its pages can be dropped and read again.
_READ_SHARED = "r--s"
_DONTNEED = 4
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
APART, KEPT = 2 * 2**20, 8 * 2**20


@contextmanager
def mapped_copy(data: bytes, make: Callable[[], IO[bytes]] = TemporaryFile) -> Iterator[str | None]:
    """Hold bytes in an unnamed file; yield its path for native code that maps files.

    Mappings outlast the block. Pages that were read in it are dropped at its end: those that are
    needed again come back from the file, which nobody else can shorten. Yields None where there is
    no such file: no room, no folder for it, or no Linux.
    """
    with ExitStack() as stack:
        path = None
        if _LIBC is not None:
            with suppress(OSError):
                path = _path_of(stack.enter_context(make()), data)
        del data  # the block may last as long as the server
        if path is None:
            stack.close()  # what a full folder took of it
        yield None if path is None else str(path)
        if path is not None:
            with suppress(OSError):
                drop_pages(str(path.readlink()))


def drop_pages(name: str) -> None:
    """Take every page of a file's read-only mappings out of this process; a later read maps it."""
    if _LIBC is None:
        return
    for first, end in spans(os.fsdecode(_MAPS.read_bytes()), name):
        _LIBC.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _DONTNEED)


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


def _path_of(file: IO[bytes], data: bytes) -> Path | None:
    path = Path(f"/proc/self/fd/{file.fileno()}")
    whole = os.write(file.fileno(), data) == len(data)
    return path if whole and path.exists() else None
