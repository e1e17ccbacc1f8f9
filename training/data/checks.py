"""Refuse, before anything is computed, what would only fail or mislead later."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from sceneset.checksums import file_sha256
from sceneset.dataset import LOCK_NAME, run_lock
from sceneset.errors import (
    CannotWriteError,
    DamagedDataError,
    LockedError,
    MissingInputError,
    UsageError,
)
from sceneset.workers import map_items
from training.data.version import DECODERS, Example, Version


def check_classes(version: Version) -> None:
    """Raise MissingInputError when fewer than two classes have training pictures."""
    taught = {example.label for example in version.splits["train"]}
    if len(taught) < 2:  # noqa: PLR2004  one class needs no classifier
        raise MissingInputError(
            f"{len(taught)} of {len(version.class_names)} classes have training pictures;"
            " two are needed",
            cure="scrape or add more classes, then sceneset curate",
        )


def check_pictures(examples: Sequence[Example]) -> None:
    """Raise DamagedDataError naming the first picture that was altered since it was published."""
    for path, why in altered(examples):
        raise DamagedDataError(
            f"the published picture {path} {why}",
            cure="sceneset verify lists what is damaged; sceneset curate publishes a new version",
        )


def altered(examples: Sequence[Example]) -> Iterator[tuple[Path, str]]:
    """Yield each picture whose file is gone or is not the one that was published, and which.

    Hashes every file by two threads. Those of versions without SHA256SUMS cannot be checked.
    """

    def digest(example: Example) -> str:
        return file_sha256(example.path)

    for result in map_items(digest, [one for one in examples if one.checksum], DECODERS):
        if isinstance(result.error, OSError):
            yield result.item.path, f"cannot be read: {result.error}"
        elif result.value != result.item.checksum:
            yield result.item.path, "is not the file that was published"


def make_out(out: Path) -> bool:
    """Make the model's folder, and see that files can be made in it; say whether it is new.

    Raises UsageError when a file is in the way, or CannotWriteError.
    """
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {path} is a file", cure="name a folder: --out DIR"
            )
    made = not out.exists()
    _make(out, "--out")
    _try(out, "--out")
    return made


@contextmanager
def leaving_nothing(out: Path, *, made: bool) -> Iterator[None]:
    """Remove the model's folder after an error, if it was made for this run and nothing is in it."""
    try:
        yield
    except BaseException:
        if made:
            _remove_unused(out)
        raise


def _remove_unused(out: Path) -> None:
    """Remove a folder that holds a lock at most, and no run."""
    with suppress(LockedError, OSError), run_lock(out, "train"):
        if {path.name for path in out.iterdir()} == {LOCK_NAME}:
            (out / LOCK_NAME).unlink()
            out.rmdir()


def make_logs(folder: Path | None) -> None:
    """Make the folder of TensorBoard logs, and see that files can be made in it.

    Raises CannotWriteError.
    """
    if folder is None:
        return
    _make(folder, "--tensorboard")
    _try(folder, "--tensorboard")


def _make(folder: Path, flag: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"no folder can be made at {flag} {folder} ({error.strerror})",
            cure=f"name another: {flag} DIR",
        ) from error


def _try(folder: Path, flag: str) -> None:
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"nothing can be written to {flag} {folder} ({error.strerror})",
            cure=f"name another: {flag} DIR",
        ) from error
