"""Remove what a data set's folders hold of forgotten pictures; find what was made of them."""

import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sceneset import atomic
from sceneset.bundle.reader import BUNDLE_NAME
from sceneset.dataset import LOCK_NAME, Dataset, run_lock
from sceneset.errors import UsageError
from sceneset.versions.published import version_number
from sceneset.versions.verify import Exported

_SHORT = 16
_HEX_RUN = re.compile(rb"[0-9a-f]{16,64}")
_TEXTS = {".html", ".json", ".csv", ".txt"}


def check_inside(dataset: Dataset) -> None:
    """Raise UsageError when a folder that forget removes from lies outside of the data set.

    What a link into another data set leads to is not this one's to remove.
    """
    root = dataset.root.resolve()
    curated = dataset.versions.parent
    folders = (dataset.raw, curated, dataset.versions, dataset.root / "cache", dataset.report(""))
    for folder in (*folders, dataset.quarantine):
        # A link beside the versions is no version: nothing is removed through it.
        inside = () if folder == dataset.versions else folder.glob("*")
        for path in (folder, *(p for p in inside if p.is_symlink() and p.is_dir())):
            if not path.resolve().is_relative_to(root):
                raise UsageError(
                    f"{path} leads out of the data set {dataset.root}, to {path.resolve()}",
                    cure="replace the link by a folder of the data set's own, then forget again",
                )


def raw_files(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the raw files of contents, whatever their ending."""
    return [path for s in sorted(gone) for path in sorted((dataset.raw / s[:2]).glob(f"{s}.*"))]


def quarantine_links(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the links of quarantine/ to contents."""
    links = (path for path in dataset.quarantine.rglob("*") if path.is_symlink())
    return sorted(path for path in links if path.readlink().stem in gone)


def reports_of(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the reports that show or name contents."""
    short = {sha256[:_SHORT].encode() for sha256 in gone}
    folders = (p for p in dataset.report("").glob("*") if p.is_dir())
    return sorted(folder for folder in folders if _names_any(folder, short))


def strangers_with(dataset: Dataset, gone: Collection[str]) -> list[str]:
    """Return the folders beside the versions, a user's own, that hold or name contents."""
    short = {sha256[:_SHORT].encode() for sha256 in gone}
    others = (
        p for p in dataset.versions.glob("*") if version_number(p.name) is None or p.is_symlink()
    )
    folders = (p for p in others if p.is_dir() and not p.name.startswith(atomic.PART_PREFIX))
    return sorted(str(folder) for folder in folders if _names_any(folder.resolve(), short))


def _names_any(folder: Path, short: Collection[bytes]) -> bool:
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes() if path.suffix in _TEXTS else b""
            runs = _HEX_RUN.findall(path.name.encode() + b"\n" + text)
            if any(run[:_SHORT] in short for run in runs):
                return True
    return False


def caches(dataset: Dataset) -> list[Path]:
    """Return everything below cache/ that can be computed again."""
    cache = dataset.root / "cache"
    children = [p for p in cache.glob("*") if p.name != "embeddings"]
    inside = [p for p in (cache / "embeddings").glob("*") if p.name != LOCK_NAME]
    return sorted(children + inside)


@contextmanager
def readers_held_off(dataset: Dataset) -> Iterator[None]:
    """Keep training from reading versions and writing embeddings meanwhile. Raises LockedError."""
    with ExitStack() as locks:
        for folder in (dataset.versions.parent, dataset.root / "cache" / "embeddings"):
            if folder.is_dir():
                locks.enter_context(run_lock(folder, "forget"))
        yield


def sweep(dataset: Dataset, gone: Collection[str]) -> None:
    """Remove raw files, links, reports and caches of contents; what is gone already is no error."""
    for path in (*raw_files(dataset, gone), *quarantine_links(dataset, gone)):
        path.unlink(missing_ok=True)
    for folder in dataset.quarantine.glob("*"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for path in (*reports_of(dataset, gone), *caches(dataset)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    atomic.remove_parts(dataset.root)
    dataset.sweep_raw()


def bundles_trained_on(
    models: Path, recorded: Iterable[Path], versions: Collection[str]
) -> list[str]:
    """Return the bundles below a folder, or recorded, that were trained on any of the versions."""
    found = set()
    for folder in {*(path.parent for path in models.glob(f"**/{BUNDLE_NAME}")), *recorded}:
        if str(_json(folder / BUNDLE_NAME).get("dataset_version")) in versions:
            found.add(str(folder.resolve()))
    return sorted(found)


def exports_of(exports: Iterable[Exported], versions: Collection[str]) -> list[dict[str, str]]:
    """Return the exports of any of the versions, by folder."""
    return [{"out": str(e.out), "format": e.format} for e in exports if e.version in versions]


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
