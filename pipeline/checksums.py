"""List and check the SHA-256 of every file below a folder, in the form `sha256sum -c` reads."""

import hashlib
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
    lines = [f"{digest}  {name}\n" for name, digest in hash_files(folder, without=NAME).items()]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def is_damaged(folder: Path) -> bool:
    """Say whether any file below the folder is not what SHA256SUMS says."""
    try:
        return bool(altered_files(folder))
    except OSError:
        return True


def altered_files(folder: Path) -> list[str]:
    """Say what differs from SHA256SUMS: files missing, altered or added. Raises OSError."""
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    expected = {line[66:]: line[:64] for line in lines}
    found = hash_files(folder, without=NAME)
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    strange = sorted(found.keys() - expected.keys())
    # File managers leave hidden files of their own wherever they are opened.
    added = [f"{name} has no checksum" for name in strange if Path(name).name[0] != "."]
    altered = [
        f"{name} is not the file that was published"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    return missing + added + altered
