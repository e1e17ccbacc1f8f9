"""List and check the SHA-256 of every file below a folder, in the form `sha256sum -c` reads."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

NAME = "SHA256SUMS"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(folder: Path, *, without: str) -> dict[str, str]:
    """Return relative path -> SHA-256 of every file below a folder but the one named `without`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != without)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS of everything else in the folder."""
    (folder / NAME).write_bytes(checksum_lines(hash_files(folder, without=NAME)))


def checksum_lines(digests: Mapping[str, str]) -> bytes:
    """Return what SHA256SUMS holds: relative path -> SHA-256, in the order given."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def read_checksums(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 as SHA256SUMS says; odd lines name no file. Raises OSError."""
    lines = (folder / NAME).read_bytes().decode("utf-8", "backslashreplace").split("\n")
    return {line[66:]: line[:64] for line in lines if line}


def altered_files(folder: Path, *, added: bool = True) -> list[str]:
    """Say what differs from SHA256SUMS: files missing, altered or, unless told not to, added.

    A file that cannot be read is a problem too, also SHA256SUMS itself.
    """
    try:
        expected = read_checksums(folder)
    except OSError as error:
        return [f"its checksums cannot be read ({error.strerror})"]
    files = {_shown(p, folder): p for p in folder.rglob("*") if p.is_file() and p.name != NAME}
    problems = [f"{name} is missing" for name in sorted(expected.keys() - files.keys())]
    strange = sorted(files.keys() - expected.keys()) if added else []
    # File managers leave hidden files of their own wherever they are opened.
    problems += [f"{name} has no checksum" for name in strange if Path(name).name[0] != "."]
    for name in sorted(expected.keys() & files.keys()):
        problem = file_problem(files[name], expected[name], "is not the file that was published")
        problems += [f"{name} {problem}"] if problem else []
    return problems


def file_problem(path: Path, sha256: str, altered: str) -> str:
    """Say what is wrong with a file: missing, unreadable or, in words given, not of this SHA-256."""
    if not path.is_file():
        return "is missing"
    try:
        return "" if file_sha256(path) == sha256 else altered
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _shown(path: Path, folder: Path) -> str:
    """Return a relative path as text, with the bytes that are no UTF-8 escaped."""
    name = path.relative_to(folder).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")
