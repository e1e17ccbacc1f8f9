"""Keep what people say about wrong answers, as JSON lines for a later review."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from pipeline.errors import MissingInputError, SettingsError
from serving.refusal import RefusalError

LARGEST = 10_000_000


class FeedbackFile:
    """A file that grows by one line per remark, up to `largest` bytes."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        """Take the file as it is. Raises MissingInputError when its folder does not exist, SettingsError for no file."""
        if not path.parent.is_dir():
            raise MissingInputError(
                f"no folder for --feedback {path}", cure=f"make it first: mkdir -p {path.parent}"
            )
        if path.exists() and not path.is_file():
            raise SettingsError(f"--feedback {path} is no file", cure="name a file, new or old")
        self._path = path
        self._largest = largest
        self._lock = Lock()

    def add(self, remark: Mapping[str, object]) -> None:
        """Append one line, whole or not at all. Raises RefusalError (503) when there is no room."""
        line = (json.dumps(remark, ensure_ascii=False) + "\n").encode()
        with self._lock:
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    self._write(descriptor, line)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise _no_room() from error

    def _write(self, descriptor: int, line: bytes) -> None:
        before = os.fstat(descriptor).st_size
        if before + len(line) > self._largest:
            raise _no_room()
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, before)
            raise _no_room()
        os.fsync(descriptor)


def _no_room() -> RefusalError:
    return RefusalError(503, "not_ready", "The remark cannot be stored")
