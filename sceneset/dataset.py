"""Open, create and lock a data set's folder; say what is in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cyclopts import Parameter

from sceneset import atomic
from sceneset.errors import CannotWriteError, LockedError, MissingInputError, UsageError
from sceneset.manifest.rows import STATUSES, Status
from sceneset.manifest.store import Manifest
from sceneset.versions.published import PublishedPicture, numbers, read_pictures, version_number

DEFAULT_ROOT = Path("datasets/scenes")
LOCK_NAME = ".lock"


@dataclass(frozen=True)
class Dataset:
    """The folder of one data set: the paths in it, what it holds, what it published."""

    root: Path

    @classmethod
    def open(cls, root: Path | str = DEFAULT_ROOT) -> Self:
        """Open a data set that has a manifest. Raises MissingInputError or UsageError."""
        dataset = cls(Path(root))
        if dataset.root.exists() and not dataset.root.is_dir():
            raise UsageError(
                f"the data set path {root} is a file", cure="name a folder: --dataset DIR"
            )
        if not dataset.manifest_path.is_file():
            raise MissingInputError(
                f"no data set at {root}",
                cure=f"sceneset scrape --classes classes.txt --dataset {root}, or sceneset add DIR",
            )
        return dataset

    @property
    def name(self) -> str:
        """Return the folder's name, which is all of its path that published files hold."""
        return self.root.resolve().name

    @property
    def manifest_path(self) -> Path:
        """Return the path of the SQLite manifest."""
        return self.root / "manifest.db"

    @property
    def raw(self) -> Path:
        """Return the folder of the pictures as found."""
        return self.root / "raw"

    @property
    def versions(self) -> Path:
        """Return the folder of published versions."""
        return self.root / "curated" / "versions"

    @property
    def current(self) -> Path:
        """Return the link to the newest published version."""
        return self.root / "curated" / "current"

    @property
    def quarantine(self) -> Path:
        """Return the folder that links to what curate left out."""
        return self.root / "quarantine"

    @property
    def current_number(self) -> int | None:
        """Return the number of the version that `current` leads to, or None when there is none."""
        folder = self.current.resolve()
        inside = self.current.exists() and folder.parent == self.versions.resolve()
        return version_number(folder.name) if inside else None

    def version(self, number: int | None = None, *, named: int = 1) -> Path:
        """Return the folder of a published version, by default the current one.

        Raises MissingInputError when there is none; its cure lists those of which `named`, one or
        two, can be named instead.
        """
        known = numbers(self.versions)
        chosen = self.current_number if number is None else number
        if chosen in known:
            return self.versions / str(chosen)
        enough = number is not None and len(known) >= named
        listed = ", ".join(map(str, known)) if enough else ""
        count = "one" if named == 1 else "two"
        raise MissingInputError(
            f"{self.root} has no published version" + ("" if number is None else f" {number}"),
            cure=f"name {count} of {listed}"
            if listed
            else f"sceneset curate --dataset {self.root}",
        )

    def rows(self, version: int | None = None) -> list[PublishedPicture]:
        """Return a record per picture of a published version, by default the current one, by path.

        Raises MissingInputError, and DamagedDataError when its manifest.csv cannot be read.
        """
        return read_pictures(self.version(version))

    def counts(self) -> dict[str, dict[Status, int]]:
        """Return class -> status -> number of search results, sorted by class, zeros included."""
        with Manifest(self.manifest_path) as manifest:
            counts = manifest.sighting_counts()
            classes = sorted(manifest.classes(), key=lambda row: row.name)
        return {
            row.name: {s: counts.get(row.id, {}).get(s, 0) for s in STATUSES} for row in classes
        }

    def sweep_raw(self) -> None:
        """Remove the half-written files that killed runs left; call with the lock held."""
        for folder in (self.raw, *self.raw.glob("*")):
            atomic.remove_parts(folder)

    def report(self, stage: str) -> Path:
        """Return the folder of a stage's report."""
        return self.root / "reports" / stage

    def raw_name(self, sha256: str, extension: str) -> str:
        """Return a picture's path relative to the data set, with forward slashes."""
        return f"raw/{sha256[:2]}/{sha256}.{extension}"


def create_dataset(root: Path) -> Dataset:
    """Make the folder when it is missing. Raises UsageError when the path is a file."""
    for path in (root, *root.parents):
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            kind = "a file" if path.exists() else "a link to nothing"
            raise UsageError(
                f"the data set path {root} cannot be a folder: {path} is {kind}",
                cure="name a folder: --dataset DIR",
            )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # a file system in which no folder can be made, such as /proc
        raise CannotWriteError(
            f"no folder can be made at {root}", cure="name another: --dataset DIR"
        ) from None
    return Dataset(root)


@contextmanager
def run_lock(folder: Path, stage: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the kernel frees when the process ends, however it ends.

    Several runs may hold it `shared` at once, but none beside one that does not share. Raises
    LockedError naming the holder when another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another run"
            raise LockedError(
                f"{folder} is in use by {holder}", cure="wait for it to end, then try again"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{stage} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def reading_versions(dataset: Dataset, stage: str) -> AbstractContextManager[None]:
    """Keep `forget` from taking pictures out of published versions while they are read.

    Many may read at once, and `curate` may publish meanwhile. Raises LockedError during a `forget`.
    """
    return run_lock(dataset.versions.parent, stage, shared=True)


def next_version(versions: Path) -> int:
    """Return the number after the highest that anything there is named by (1 if nothing is)."""
    names = (p.name for p in versions.iterdir()) if versions.is_dir() else ()
    return max((version_number(name) or 0 for name in names), default=0) + 1


def prepare_versions(versions: Path) -> int:
    """Sweep what killed runs left and return the number of the next version."""
    versions.mkdir(parents=True, exist_ok=True)
    atomic.remove_parts(versions)
    return next_version(versions)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Which data set to look at."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder."""
