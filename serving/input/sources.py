"""Find the picture files that paths, folders and globs name."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sceneset.images import EXTENSIONS

LONGEST_NAME = 255
STDIN = "/dev/stdin"
# The end of the names that --explain writes; a folder's are no pictures to classify.
EXPLAINED = ".explained.jpg"
SUFFIXES = {f".{extension}" for extension in EXTENSIONS.values()} | {".jpeg", ".jpe", ".tif"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file to classify, or a word that names none and why."""

    name: str
    path: Path | None = None
    problem: str = ""


def find_sources(words: Iterable[str]) -> list[Source]:
    """Return the files in the order of the words; those of a folder or glob sorted.

    A folder is searched to its bottom for picture files by their extension; a glob is tried only
    when no file has that very name. Neither gives what --explain wrote, unless a glob asks for it.
    A file named twice is taken twice.
    """
    return [source for word in words for source in _sources(word)]


def printable(name: str) -> str:
    """Return a file's name as text that can be printed, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "replace")


def _sources(word: str) -> Iterator[Source]:
    path = Path(word)
    if not word:  # a variable of the shell that was not set; Path takes it for this folder
        yield Source(word, problem="the name is empty")
    elif any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        yield Source(printable(word), problem="the name is too long")
    elif path.is_dir():
        yield from _pictures_in(path) or [
            Source(printable(word), problem="no picture files in this folder")
        ]
    elif path.exists() and not path.is_file() and word != STDIN:
        yield Source(printable(word), problem="is a pipe or a device, no picture file")
    elif path.exists() or not glob.has_magic(word):
        yield Source(printable(word), path)
    else:
        yield from _matches(word) or [Source(printable(word), problem="matches no file")]


def _matches(pattern: str) -> list[Source]:
    found: list[Source] = []
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207  the pattern may be absolute
        path = Path(name)
        wanted = path.is_file() and (EXPLAINED in pattern or not name.endswith(EXPLAINED))
        found += [Source(printable(name), path)] if wanted else []
    return found


def _pictures_in(folder: Path) -> list[Source]:
    files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return [
        Source(printable(str(path)), path)
        for path in sorted(files)
        if not path.name.endswith(EXPLAINED)
    ]
