"""Choose where `classify --explain` writes, and which class it explains."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UsageError
from serving.labels import find_label
from serving.sources import EXPLAINED, Source

_LONGEST_STEM = 200


def overlay_paths(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Return a file in the folder for each source: its name with .explained.jpg, numbered if taken.

    Never the path of a source. Raises UsageError when the folder is a file.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--explain {folder} cannot be a folder: {path} is a file",
                cure="name a folder: --explain DIR",
            )
    taken = {real(source.path) for source in sources if source.path}
    paths = []
    for source in sources:
        stem = _shortened(Path(source.name).stem)
        number, path = 1, real(folder) / f"{stem}{EXPLAINED}"
        while path in taken:
            number += 1
            path = real(folder) / f"{stem}-{number}{EXPLAINED}"
        taken.add(path)
        paths.append(folder / path.name)
    return paths


def make_folder(folder: Path) -> None:
    """Make the folder before any picture is read. Raises UsageError when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--explain {folder} cannot be made: {error.strerror}",
            cure="name a folder that you may write to: --explain DIR",
        ) from error


def check_table(table: Path, sources: Sequence[Source], overlays: Sequence[Path]) -> None:
    """Refuse a table that would be written over a picture or a folder. Raises UsageError."""
    cure = "name another file: --csv FILE"
    if table.is_dir():
        raise UsageError(f"--csv {table} is a folder", cure=cure)
    pictures = [source.path for source in sources if source.path]
    if real(table) in {real(path) for path in (*pictures, *overlays)}:
        raise UsageError(f"--csv {table} would be written over a picture", cure=cure)


def real(path: Path) -> Path:
    """Return where a path's links lead; those that lead in a circle stay as they are."""
    return Path(os.path.realpath(path))


def _shortened(stem: str) -> str:
    """Return a stem of at most 200 bytes, not cut inside a character."""
    data = os.fsencode(stem)
    if len(data) <= _LONGEST_STEM:
        return stem
    return data[:_LONGEST_STEM].decode("utf-8", "ignore")


def label_of(name: str, class_names: Sequence[str]) -> int | None:
    """Return the label of a class whatever its case, None for no name. Raises UsageError."""
    if not name:
        return None
    label = find_label(name, class_names)
    if label is None:
        raise UsageError(
            f"--explain-class {name!r} is no class of this model",
            cure=f"name one of {', '.join(class_names)}",
        )
    return label
