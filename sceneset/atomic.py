"""Replace a file or folder so that a reader sees the old or the new one, never a part."""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PART_PREFIX = ".part-"
ASIDE = "-old"
MOST_LINKS = 40
_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2
_CANNOT_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_STREAM = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole: temporary file in the same folder, fsync, rename, fsync of the folder.

    A link stays, and what it leads to is replaced. Devices, pipes and this process' own streams
    (/dev/stdout, /dev/fd/N) are written to.
    Raises OSError as the system gives it; no partial file is left behind.
    """
    path = _place(path)
    if _is_stream(path):
        _send(path, data)
    else:
        write_files({path: data})


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write many files with one flush to disk before any of them gets its name.

    Raises OSError; files without a final name are removed.
    """
    parts: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path] = _write_part(path, data)
        _flush(list(parts.values()))
        for path in list(parts):
            parts[path].replace(path)
            del parts[path]
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
    for folder in {path.parent for path in files}:
        sync(folder)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends well, and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A leftover of a kill says by its name what it was to become.
    part = Path(tempfile.mkdtemp(prefix=f"{PART_PREFIX}{path.name}-", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        _flush_tree(part)
        part.rename(path)
        sync(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _exchanged(first: Path, second: Path) -> bool:
    """Let two folders change places by one call, where the system can."""
    names = os.fsencode(first), os.fsencode(second)
    code = _call("renameat2", _AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE)
    if code and code not in _CANNOT_EXCHANGE:
        raise OSError(code, os.strerror(code), str(second))
    return not code


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
    sync(place.parent)


def swap_link(link: Path, target: str) -> None:
    """Point a symbolic link at `target` (relative to the link) by one rename."""
    fresh = link.parent / f"{PART_PREFIX}{link.name}-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
    sync(link.parent)


def remove_parts(folder: Path) -> None:
    """Remove what killed runs left half-written directly inside `folder`."""
    for part in folder.glob(f"{PART_PREFIX}*"):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_stream(path: Path) -> int | None:
    """Return the descriptor of ours that a path names, such as 1 for /dev/stdout."""
    match = _STREAM.fullmatch(str(_place(path)))
    return int(match[1]) if match else None


def _place(path: Path) -> Path:
    """Return where a path's links lead, and this process' own streams by their own names.

    Raises OSError when they lead in a circle.
    """
    for _ in range(MOST_LINKS):
        if not path.is_symlink() or _STREAM.fullmatch(str(path)):
            return path
        path = Path(os.path.normpath(path.parent.resolve() / path.readlink()))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _is_stream(path: Path) -> bool:
    """Say whether a path is no place for a file: a stream of ours, a device, a pipe, a socket."""
    if own_stream(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _send(path: Path, data: bytes) -> None:
    """Write to what stands there; a stream of ours goes on where it is, also when it is a file."""
    ours = own_stream(path)
    descriptor = os.open(path, os.O_WRONLY) if ours is None else os.dup(ours)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _write_part(path: Path, data: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=PART_PREFIX, dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        part.chmod(0o644)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _flush(files: Sequence[Path]) -> None:
    """Flush files of one file system to disk: many by one syncfs, which is faster than each alone."""
    if sys.platform == "linux" and len(files) > 1:
        _flush_file_system(files[0].parent)
        return
    for path in files:
        sync(path)


def _flush_tree(folder: Path) -> None:
    if sys.platform == "linux":
        _flush_file_system(folder)
    else:
        _flush([path for path in folder.rglob("*") if path.is_file()])


def _flush_file_system(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        code = _call("syncfs", descriptor)
    finally:
        os.close(descriptor)
    if code:
        raise OSError(code, os.strerror(code), str(folder))


def _call(name: str, *arguments: int | bytes) -> int:
    """Call a function of the C library; return 0 or its error, ENOSYS when there is no such one."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        return errno.ENOSYS
    return ctypes.get_errno() if function(*arguments) else 0
