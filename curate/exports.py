"""Write a published version's files, and keep the folders of versions in order."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.conflicts import Drop, Key
from pipeline import durable
from pipeline.dataset import Dataset
from pipeline.published import (
    MANIFEST_NAME,
    RECORD_NAME,
    PublishedPicture,
    manifest_csv,
    numbers,
    read_record,
    record_json,
    split_counts,
    version_id,
)
from pipeline.rows import ClassRow, Split

__all__ = [  # what describes a version stands in pipeline.published; the run reads it from here
    "PublishedPicture",
    "manifest_csv",
    "numbers",
    "picture_path",
    "point_to",
    "prune",
    "read_record",
    "recover",
    "split_counts",
    "version_id",
    "version_texts",
    "write_quarantine",
    "write_texts",
]
SCHEMA_VERSION = 1


def picture_path(split: Split, slug: str, sha256: str) -> str:
    """Return a published picture's path inside its version."""
    return f"{split}/{slug}/{sha256[:16]}.jpg"


def write_texts(
    folder: Path, pictures: Sequence[PublishedPicture], record: Mapping[str, Any]
) -> None:
    """Write class_names.txt, manifest.csv and dataset.json."""
    for name, data in version_texts(pictures, record).items():
        (folder / name).write_bytes(data)


def version_texts(
    pictures: Sequence[PublishedPicture], record: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return file name -> content of a version's texts."""
    names = "".join(f"{name}\n" for name in record["class_names"])
    return {
        "class_names.txt": names.encode(),
        MANIFEST_NAME: manifest_csv(pictures),
        RECORD_NAME: record_json(record),
    }


def recover(dataset: Dataset, claimed: Collection[int]) -> int:
    """Finish what a killed run left, and return the number of the next version.

    Half-written folders and versions that no committed run claims go; `current` comes to point to
    the newest version that there is.
    """
    dataset.versions.mkdir(parents=True, exist_ok=True)
    durable.remove_parts(dataset.versions)
    durable.remove_parts(dataset.root)
    found = numbers(dataset.versions)
    for number in set(found) - set(claimed):
        shutil.rmtree(dataset.versions / str(number))
    published = [number for number in found if number in claimed]
    if published:
        point_to(dataset, published[-1])
    return max([0, *found, *claimed]) + 1


def point_to(dataset: Dataset, number: int) -> None:
    """Make `current` the link to a version, unless it is."""
    target = f"versions/{number}"
    if not dataset.current.is_symlink() or dataset.current.readlink() != Path(target):
        durable.swap_link(dataset.current, target)


def prune(dataset: Dataset, keep: int) -> list[int]:
    """Remove all but the newest versions; return the numbers of those removed."""
    old = numbers(dataset.versions)[:-keep]
    for number in old:
        shutil.rmtree(dataset.versions / str(number))
    return old


def write_quarantine(
    dataset: Dataset,
    drops: Mapping[Key, Drop],
    raw_paths: Mapping[str, str],
    classes: Mapping[int, ClassRow],
) -> None:
    """Rebuild the folder of links to what was left out, and put it in place whole."""
    fresh = dataset.root / f"{durable.PART_PREFIX}quarantine-new"
    old = dataset.root / f"{durable.PART_PREFIX}quarantine-old"
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    with durable.new_folder(fresh) as part:
        for (class_id, sha256), drop in drops.items():
            raw = raw_paths[sha256]
            link = part / drop.reason / f"{classes[class_id].slug}__{sha256[:16]}{Path(raw).suffix}"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(Path("../..") / raw)
    if dataset.quarantine.exists():
        dataset.quarantine.rename(old)
    fresh.rename(dataset.quarantine)
    shutil.rmtree(old, ignore_errors=True)
