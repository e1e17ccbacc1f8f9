"""Put an export in the place of an earlier one, unless a person changed that."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sceneset import atomic
from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import altered_files, read_checksums
from sceneset.errors import CannotWriteError, UsageError
from sceneset.versions.verify import MARK


def check_replaceable(out: Path, *, keep_out_of: Path) -> None:
    """Raise UsageError unless `out` may be written: missing, empty, or an earlier export untouched.

    An export is touched when any file of it is added, altered or removed: a person's work. A folder
    inside `keep_out_of`, the data set, is refused too.
    """
    place = out.resolve()
    if place.is_relative_to(keep_out_of.resolve()):
        raise UsageError(
            f"--out {out} is inside the data set {keep_out_of}", cure="name a folder outside of it"
        )
    for path in (place, *place.parents):
        if path.exists() and not path.is_dir():
            where = "is a file" if path == place else f"cannot be a folder: {path} is a file"
            raise UsageError(f"--out {out} {where}", cure="name a folder")
    if not place.exists():
        return
    changed = _changed(place)
    if changed is not None:
        raise UsageError(
            f"--out {out} holds {changed}",
            cure="name a new folder, or remove or rename that one yourself",
        )


def _changed(place: Path) -> str | None:
    """Say what in a folder is not just as an earlier export wrote it, or None."""
    names = {path.name for path in place.iterdir()}
    if not {MARK, CHECKSUMS} <= names:
        return f"{min(names)}, which no export wrote" if names else None
    there = (path for path in place.rglob("*") if path.is_symlink() or not path.is_dir())
    files = {path.relative_to(place).as_posix() for path in there}
    try:
        strange = min(files - read_checksums(place).keys() - {CHECKSUMS}, default=None)
        altered = altered_files(place)
    except OSError as error:
        return f"{CHECKSUMS}, which cannot be read ({error.strerror})"
    if strange is not None:
        return f"{strange}, which no export wrote"
    return f"an export that was changed since: {altered[0]}" if altered else None


@contextmanager
def replaced_folder(out: Path, *, keep_out_of: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out` when the block ends well.

    What a killed run left beside `out` goes first. Raises UsageError as `check_replaceable` does,
    also when somebody changed `out` meanwhile.
    """
    place = out.resolve()
    bench = place.parent / f"{atomic.PART_PREFIX}export-{place.name}"
    aside = bench / f"new{atomic.ASIDE}"
    if not place.exists() and aside.is_dir():
        aside.rename(place)
    shutil.rmtree(bench, ignore_errors=True)
    try:
        _make(bench, out)
        with atomic.new_folder(bench / "new") as folder:
            yield folder
        check_replaceable(out, keep_out_of=keep_out_of)
        atomic.put_in_place(bench / "new", place)
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def _make(bench: Path, out: Path) -> None:
    try:
        bench.mkdir(parents=True)
    except FileNotFoundError:  # a file system in which no folder can be made, such as /proc
        raise CannotWriteError(
            f"no folder can be made at {out}", cure="name another: --out DIR"
        ) from None
