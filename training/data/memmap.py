"""Keep rows of an array on disk: written once in order, gone on with after a kill, read by row."""

import json
import os
import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.atomic import PART_PREFIX, sync, write_file
from sceneset.dataset import run_lock
from sceneset.errors import LockedError

FILE = "embeddings.npy"
NAMES = "pictures.txt"
ABOUT = "about.json"
_DONE = "done.json"
_GONE = ".gone-"
MAPS = np.dtype(np.float16)
_remove = partial(shutil.rmtree, ignore_errors=True)


class Rows:
    """Rows of a .npy file, read when they are taken, so that they never fill the memory.

    They stay readable when the file is removed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Open a file. Raises OSError or ValueError when it is none, or shorter than it says."""
        mapped: Any = np.load(path, mmap_mode="r")
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype: np.dtype[Any] = mapped.dtype
        self._offset: int = mapped.offset
        self._row = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, descriptor)
        self._descriptor = descriptor

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, in the order of `places`."""
        rows = np.empty((len(places), *self.shape[1:]), self.dtype)
        for row, place in zip(rows, places, strict=True):
            os.preadv(self._descriptor, [row], self._offset + int(place) * self._row)
        return rows


class Filling:
    """A folder of rows in the making. A row that was noted as done outlives a kill."""

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: Any) -> None:  # noqa: ANN401  what numpy takes as one
        """Begin, or go on where a killed run with the same shape stopped."""
        self.count = shape[0]
        self._folder, self._part = folder, folder.parent / f"{PART_PREFIX}{folder.name}"
        self._header = {"shape": list(shape), "dtype": np.dtype(dtype).str}
        self._dtype = np.dtype(dtype)
        self._row = int(np.prod(shape[1:])) * self._dtype.itemsize
        self.done = _rows_done(self._part, self._header)
        self._part.mkdir(parents=True, exist_ok=True)
        self._file = (self._part / FILE).open("r+b" if self.done else "w+b")
        npy_header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, npy_header)
        self._offset = self._file.tell()

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Write rows from a place on. Raises OSError when the disk is full."""
        self._file.seek(self._offset + start * self._row)
        self._file.write(np.ascontiguousarray(rows, self._dtype).tobytes())

    def note(self, done: int) -> None:
        """Flush, then say that the first rows are done."""
        self._file.flush()
        os.fsync(self._file.fileno())
        write_file(self._part / _DONE, json.dumps(self._header | {"done": done}).encode())

    def finish(self, about: Mapping[str, object], names: Sequence[str]) -> None:
        """Give the folder its name; `names` are the SHA-256 of the rows' pictures."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        write_file(self._part / ABOUT, json.dumps(about, indent=1).encode())
        if names:
            write_file(self._part / NAMES, "".join(f"{name}\n" for name in names).encode("ascii"))
        (self._part / _DONE).unlink(missing_ok=True)
        _remove(self._folder)
        self._part.rename(self._folder)
        sync(self._folder.parent)

    def close(self) -> None:
        """Let go of the file, whatever is in it."""
        self._file.close()


def open_rows(folder: Path, shape: tuple[int, ...], dtype: Any) -> Rows | None:  # noqa: ANN401
    """Return the rows of a finished folder, or None when there are none of that shape and type."""
    try:
        rows = Rows(folder / FILE)
    except (OSError, ValueError, EOFError):
        return None
    return rows if (rows.shape, rows.dtype) == (shape, np.dtype(dtype)) else None


def prune(cache: Path, versions: frozenset[str]) -> None:
    """Remove the folders of versions that are no more. Call with the lock held.

    `versions` are the first 16 digits of the ids of those that are there, which folders' names
    begin with. Half-made ones of them stay: the next run goes on with them.
    """
    for folder in [p for p in cache.glob("*") if p.is_dir() and not p.is_symlink()]:
        if folder.name.removeprefix(PART_PREFIX).split("-")[0] not in versions:
            _remove(folder)


def remove_maps(cache: Path, remove: Callable[[Path], None] = _remove) -> None:
    """Remove all feature maps, finished or not: gigabytes that a training needs but once.

    Pooled features stay. Does nothing while another run adds to the cache; whoever reads maps
    meanwhile goes on reading them. The lock is held while folders are renamed alone, as deleting
    takes long and other runs do not wait for it; `prune` removes what a kill leaves of them.
    """
    if not cache.is_dir():
        return
    with suppress(LockedError), run_lock(cache, "embedding"):
        for folder in list(cache.glob("*")):
            if _holds_maps(folder) and not folder.name.startswith(_GONE):
                with suppress(OSError):
                    folder.rename(cache / f"{_GONE}{os.getpid()}-{folder.name}")
    for folder in list(cache.glob(f"{_GONE}*")):
        remove(folder)


def _holds_maps(folder: Path) -> bool:
    for name, key, value in ((ABOUT, "kind", "map"), (_DONE, "dtype", MAPS.str)):
        with suppress(OSError, ValueError, AttributeError):
            if json.loads((folder / name).read_bytes()).get(key) == value:
                return True
    return False


def _rows_done(part: Path, header: Mapping[str, object]) -> int:
    try:
        noted = json.loads((part / _DONE).read_bytes())
        done = int(noted.pop("done"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    return done if noted == header and (part / FILE).is_file() else 0
