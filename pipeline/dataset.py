"""Find, create and lock a data set's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import durable
from pipeline.errors import CannotWriteError, LockedError, MissingInputError, UsageError

DEFAULT_ROOT = Path("datasets/scenes")
LOCK_NAME = ".lock"


@dataclass(frozen=True)
class Dataset:
    """The paths of one data set."""

    root: Path

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

    def sweep_raw(self) -> None:
        """Remove the half-written files that killed runs left; call with the lock held."""
        for folder in (self.raw, *self.raw.glob("*")):
            durable.remove_parts(folder)

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


def open_dataset(root: Path) -> Dataset:
    """Open a data set that has a manifest. Raises MissingInputError or UsageError."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"the data set path {root} is a file", cure="name a folder: --dataset DIR")
    dataset = Dataset(root)
    if not dataset.manifest_path.is_file():
        raise MissingInputError(
            f"no data set at {root}",
            cure=f"sceneset scrape --classes classes.txt --dataset {root}, or sceneset add DIR",
        )
    return dataset


@contextmanager
def run_lock(folder: Path, stage: str) -> Iterator[None]:
    """Hold the folder's lock, which the kernel frees when the process ends, however it ends.

    Raises LockedError naming the holder when another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def next_version(versions: Path) -> int:
    """Return the number after the highest version folder there is (1 when there is none)."""
    if not versions.is_dir():
        return 1
    return max((int(p.name) for p in versions.iterdir() if p.name.isdecimal()), default=0) + 1


def prepare_versions(versions: Path) -> int:
    """Sweep what killed runs left and return the number of the next version."""
    versions.mkdir(parents=True, exist_ok=True)
    durable.remove_parts(versions)
    return next_version(versions)
