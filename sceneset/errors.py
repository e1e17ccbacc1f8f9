"""Name every failure with its cause, its cure and its exit code.

SceneSetError                     1
├── UsageError                    2  wrong use or settings
│   ├── SettingsError             2  a setting has a value that cannot work
│   ├── ClassListError            2  the class list cannot be used
│   ├── MissingInputError         2  a stage lacks what an earlier one makes
│   ├── MissingExtraError         2  an optional package is not installed
│   └── BrowserMissingError       2  no browser and driver that fit together
├── DamagedDataError              5  stored data is not what was written
├── CannotWriteError             73  the disk is full, read-only or refuses
├── LockedError                  75  another run holds the lock
└── InterruptedRunError     130/143  a signal ended the run
"""

import errno
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

OK = 0
PARTIAL = 3
BLOCKED = 4

EXTRAS = {
    "selenium": "scrape",
    "webdriver_manager": "scrape",
    "requests": "scrape",
    "imagehash": "curate",
    "tensorflow": "train",
    "keras": "train",
    "h5py": "train",
    "flatbuffers": "train",
    "keras_hub": "hub",
    "openvino": "openvino",
    "sklearn": "train",
    "matplotlib": "train",
    "ai_edge_litert": "serve",
    "tf2onnx": "onnx",
    "onnxruntime": "onnx",
    "starlette": "serve",
    "uvicorn": "serve",
    "httptools": "serve",
    "prometheus_client": "serve",
    "python_multipart": "serve",
    "gradio": "gradio",
    "pyarrow": "formats",
    "pi_heif": "heic",
    "ray": "ray",
}

_CANNOT_WRITE = {
    errno.ENOSPC,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EDQUOT,
    errno.EFBIG,
    errno.ENAMETOOLONG,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ELOOP,
}
# What native code says of the disk in words only
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES)
_OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}
_SQLITE_CANNOT_WRITE = ("full", "readonly", "read-only", "unable to open", "disk i/o error")


class SceneSetError(Exception):
    """Carry a problem a user can read, the cure, and the exit code of the process."""

    exit_code = 1

    def __init__(self, problem: str, *, cure: str) -> None:
        """Keep `problem` (what is wrong, with the value) and `cure` (what to do)."""
        super().__init__(problem)
        self.problem = _escape_controls(problem)
        self.cure = _escape_controls(cure)


class UsageError(SceneSetError):
    """The command was used in a way that cannot work."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting has a value that cannot work."""


class ClassListError(UsageError):
    """The class list cannot be used."""


class MissingInputError(UsageError):
    """A stage lacks what an earlier stage makes."""


class MissingExtraError(UsageError):
    """An optional package is not installed."""


class BrowserMissingError(UsageError):
    """No browser and driver that fit together were found."""


class DamagedDataError(SceneSetError):
    """Stored data is not what was written."""

    exit_code = 5


class CannotWriteError(SceneSetError):
    """The disk is full, read-only, or refuses."""

    exit_code = 73


class LockedError(SceneSetError):
    """Another run holds the lock."""

    exit_code = 75


class InterruptedRunError(SceneSetError):
    """A signal ended the run; what was finished is kept."""

    def __init__(
        self, signal_number: int, cure: str = "run the same command again to go on"
    ) -> None:
        """Take the exit code shells give a process that this signal ended."""
        super().__init__("interrupted; everything finished so far is kept", cure=cure)
        self.exit_code = 128 + signal_number


def _escape_controls(text: str) -> str:
    """Return text with its control characters written out, as those of a file's name may be."""
    if text.isprintable():
        return text
    written = text.encode("utf-8", "backslashreplace").decode()
    return "".join(repr(sign)[1:-1] if sign < " " or sign == "\x7f" else sign for sign in written)


def translate_error(error: BaseException) -> SceneSetError | None:
    """Translate a library's or the system's error into one with a cure, or None if it is a bug."""
    if isinstance(error, SceneSetError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing_extra(error)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
        return _sqlite_error(error)
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        return _cannot_write(
            f"{error.strerror}: {error.filename}" if error.filename else str(error)
        )
    return None


def _missing_extra(error: ModuleNotFoundError) -> SceneSetError | None:
    module = (error.name or "").split(".")[0]
    if module not in EXTRAS:
        return None
    return MissingExtraError(
        f"this command needs the package {module}, which is not installed",
        cure=f"pip install -e '.[{EXTRAS[module]}]'",
    )


@contextmanager
def extras_named() -> Iterator[None]:
    """Raise MissingExtraError when the block imports a package of an extra that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        known = translate_error(error)
        if known is None:
            raise
        raise known from error


def _sqlite_error(error: sqlite3.DatabaseError) -> SceneSetError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return LockedError(
            f"the manifest is in use: {text}", cure="wait for the other run to end, then try again"
        )
    if any(sign in text.lower() for sign in _SQLITE_CANNOT_WRITE):
        return _cannot_write(f"the manifest cannot be written: {text}")
    return DamagedDataError(
        f"the manifest is damaged: {text}", cure="restore manifest.db from a copy, then run verify"
    )


def _cannot_write(problem: str) -> CannotWriteError:
    return CannotWriteError(
        problem, cure="free space or choose a folder you may write to, then run the same command"
    )


def first_line(error: BaseException, text: str | None = None, *, limit: int = 200) -> str:
    """Return the first line of an error's text, `str(error)` by default; without any, its class."""
    lines = (str(error) if text is None else text).strip().splitlines()
    return lines[0][:limit] if lines else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out: Python's own error, or a library's by its name."""
    return not _OUT_OF_MEMORY.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def disk_errno(text: str) -> int | None:
    """Return the errno of the disk error that a text speaks of, or None."""
    lower = text.lower()
    for code in _DISK:
        if os.strerror(code).lower() in lower or f"errno = {code}," in lower:
            return code
    return None


@contextmanager
def memory_errors(cure: str) -> Iterator[None]:
    """Raise SettingsError with a cure when the block runs out of memory."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise SettingsError(f"memory ran out: {first_line(error)}", cure=cure) from error


@contextmanager
def disk_errors(folder: Path | None = None) -> Iterator[None]:
    """Raise OSError when the block fails for the disk, even if a library says so in words only.

    The error names the folder where it names no file.
    """
    filename = None if folder is None else str(folder)
    try:
        yield
    except SceneSetError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            error.filename = filename if error.filename is None else error.filename
            raise
        code = disk_errno(str(error))
        if code is None:
            raise
        raise OSError(code, os.strerror(code), filename) from error


@contextmanager
def library_errors(
    problem: str, *, cure: str, describe: Callable[[Exception], str] = first_line
) -> Iterator[None]:
    """Raise SettingsError for what a library raises in the block.

    Errors of this package, of the disk and of memory pass.
    """
    try:
        yield
    except (SceneSetError, OSError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise SettingsError(f"{problem}: {describe(error)}", cure=cure) from error


@contextmanager
def interrupts(cure: str) -> Iterator[None]:
    """Raise InterruptedRunError with a cure when a signal ends the block."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError) as error:
        code = getattr(error, "exit_code", 128 + signal.SIGINT)
        raise InterruptedRunError(code - 128, cure) from error
