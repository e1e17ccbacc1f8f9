"""Choose where `classify --explain` writes, and which class it explains."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UsageError
from serving.sources import Source

SUFFIX = ".explained.jpg"
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
    taken = {source.path.resolve() for source in sources if source.path}
    paths = []
    for source in sources:
        stem = os.fsdecode(os.fsencode(Path(source.name).stem)[:_LONGEST_STEM])
        number, path = 1, folder.resolve() / f"{stem}{SUFFIX}"
        while path in taken:
            number += 1
            path = folder.resolve() / f"{stem}-{number}{SUFFIX}"
        taken.add(path)
        paths.append(folder / path.name)
    return paths


def label_of(name: str, class_names: Sequence[str]) -> int | None:
    """Return the label of a class whatever its case, None for no name. Raises UsageError."""
    if not name:
        return None
    labels = {_folded(one): label for label, one in enumerate(class_names)}
    if _folded(name) not in labels:
        raise UsageError(
            f"--explain-class {name!r} is no class of this model",
            cure=f"name one of {', '.join(class_names)}",
        )
    return labels[_folded(name)]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
