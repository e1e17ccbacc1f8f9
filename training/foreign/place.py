"""Keep the place of a bundle: checked early, named for serving, without what a kill left there."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.durable import PART_PREFIX, new_folder
from pipeline.errors import CannotWriteError, UsageError


def check_out(out: Path) -> None:
    """Raise unless a folder can appear at `out`: nothing or an empty folder, where files can be made.

    UsageError for what is in the way, CannotWriteError where nothing can be written.
    """
    parents = out.absolute().parents
    for place in parents:
        if place.exists() and not place.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {place} is a file", cure="name another folder"
            )
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(
            f"--out {out} is there already, and is not an empty folder",
            cure="name a new folder, or remove that one yourself",
        )
    _try(next(place for place in parents if place.is_dir()), out)


def bundle_name(out: Path) -> str:
    """Return the name of a bundle as it is served: that of the model, of models/NAME/1 too."""
    place = out.absolute()
    return place.parent.name if place.name.isdecimal() else place.name


@contextmanager
def bundle_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `out`; first remove what killed runs left of it."""
    for part in _leftovers(out):
        shutil.rmtree(part, ignore_errors=True)
    with new_folder(out) as part, _held(part):
        yield part


def _leftovers(out: Path) -> list[Path]:
    """Return the temporary folders of this very bundle that no living run holds."""
    wanted = re.compile(re.escape(f"{PART_PREFIX}{out.name}-") + r"[a-z0-9_]{8}")
    parts = out.absolute().parent.glob(f"{PART_PREFIX}*")
    return [one for one in parts if wanted.fullmatch(one.name) and one.is_dir() and _is_free(one)]


def _is_free(folder: Path) -> bool:
    try:
        with _held(folder):
            return not folder.is_symlink()
    except OSError:
        return False


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder, as long as this process lives at most. Raises OSError when it is held."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _try(folder: Path, out: Path) -> None:
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"nothing can be written to {folder}, where --out {out} goes ({error.strerror})",
            cure="name another folder: --out DIR",
        ) from error
