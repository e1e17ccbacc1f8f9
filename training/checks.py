"""Refuse, before anything is computed, what would only fail or mislead later."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.checksums import file_sha256
from pipeline.errors import CannotWriteError, DamagedDataError, MissingInputError, UsageError
from pipeline.workers import map_items
from training.pictures import DECODERS, Example, Version


def check_classes(version: Version) -> None:
    """Raise MissingInputError when fewer than two classes have training pictures."""
    taught = {example.label for example in version.splits["train"]}
    if len(taught) < 2:  # noqa: PLR2004  one class needs no classifier
        raise MissingInputError(
            f"{len(taught)} of {len(version.class_names)} classes have training pictures;"
            " two are needed",
            cure="scrape or add more classes, then sceneset curate",
        )


def check_pictures(version: Version) -> None:
    """Raise DamagedDataError naming the first training or validation picture that was altered.

    Hashes every file by two threads. Versions without SHA256SUMS cannot be checked.
    """
    for example, digest in _hashed([*version.splits["train"], *version.splits["val"]]):
        if digest != example.checksum:
            raise _damaged(example, "is not the file that was published")


def _hashed(examples: list[Example]) -> Iterator[tuple[Example, str]]:
    """Yield the examples that have a checksum, each with its file's SHA-256."""

    def digest(example: Example) -> str:
        return file_sha256(example.path)

    for result in map_items(digest, [one for one in examples if one.checksum], DECODERS):
        if isinstance(result.error, OSError):
            raise _damaged(result.item, f"cannot be read: {result.error}") from result.error
        yield result.item, result.value or ""


def _damaged(example: Example, why: str) -> DamagedDataError:
    return DamagedDataError(
        f"the published picture {example.path} {why}",
        cure="sceneset verify lists what is damaged; sceneset curate publishes a new version",
    )


def make_out(out: Path) -> None:
    """Make the model's folder. Raises UsageError when a file is in the way, or CannotWriteError."""
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {path} is a file", cure="name a folder: --out DIR"
            )
    _make(out, "--out")


def make_logs(folder: Path | None) -> None:
    """Make the folder of TensorBoard logs, and see that files can be made in it.

    Raises CannotWriteError.
    """
    if folder is None:
        return
    _make(folder, "--tensorboard")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"nothing can be written to --tensorboard {folder} ({error.strerror})",
            cure="name another: --tensorboard DIR",
        ) from error


def _make(folder: Path, flag: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"no folder can be made at {flag} {folder} ({error.strerror})",
            cure=f"name another: {flag} DIR",
        ) from error
