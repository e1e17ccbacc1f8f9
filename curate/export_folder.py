"""Put a folder in the place of another, so that a reader sees the old or the new one whole."""

import ctypes
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import durable
from pipeline.checksums import NAME as CHECKSUMS
from pipeline.errors import UsageError

MARK = "export.json"
ASIDE = "-old"
_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def _exchanged(first: Path, second: Path) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(second))


def put_in_place(
    fresh: Path, place: Path, *, exchange: Callable[[Path, Path], bool] = _exchanged
) -> None:
    """Move a folder to `place` by one rename; what was there comes to stand at `fresh`.

    Where the system cannot `exchange` two folders at once, `place` is missing for a moment.
    """
    if not place.exists():
        fresh.rename(place)
    elif not exchange(fresh, place):
        aside = fresh.with_name(f"{fresh.name}{ASIDE}")
        place.rename(aside)
        try:
            fresh.rename(place)
        except BaseException:
            aside.rename(place)
            raise
        aside.rename(fresh)
    durable.sync_folder(place.parent)


def check_replaceable(out: Path, *, keep_out_of: Path) -> None:
    """Raise UsageError unless `out` may be written: missing, empty, or an earlier export untouched.

    A folder inside `keep_out_of`, the data set, is refused too.
    """
    place = out.resolve()
    if place.is_relative_to(keep_out_of.resolve()):
        raise UsageError(
            f"--out {out} is inside the data set {keep_out_of}", cure="name a folder outside of it"
        )
    if not place.exists():
        return
    if not place.is_dir():
        raise UsageError(f"--out {out} is a file", cure="name a folder")
    strange = _strangers(place)
    if strange is not None:
        raise UsageError(
            f"--out {out} holds {strange}, which no export wrote",
            cure="name a new folder, or one of an earlier export",
        )


def _strangers(place: Path) -> str | None:
    """Return the name of a file that is not of an earlier export, or None."""
    found = {p.relative_to(place).as_posix() for p in place.rglob("*") if not p.is_dir()}
    if not found:
        return None
    if MARK not in found or CHECKSUMS not in found:
        return min(found)
    lines = (place / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    return min(found - {line[66:] for line in lines} - {CHECKSUMS}, default=None)


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out` when the block ends well.

    What a killed run left beside `out` goes first.
    """
    place = out.resolve()
    bench = place.parent / f"{durable.PART_PREFIX}export-{place.name}"
    shutil.rmtree(bench, ignore_errors=True)
    try:
        with durable.new_folder(bench / "new") as folder:
            yield folder
        put_in_place(bench / "new", place)
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def mark_json(facts: Mapping[str, Any]) -> bytes:
    """Return what export.json holds."""
    return f"{json.dumps(facts, ensure_ascii=False, indent=1)}\n".encode()
