"""Write a published version's files, and keep the folders of versions in order."""

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.conflicts import Drop, Key
from pipeline import durable
from pipeline.checksums import NAME as CHECKSUMS
from pipeline.checksums import file_sha256, is_damaged
from pipeline.dataset import Dataset, next_version
from pipeline.pictures import EXTENSIONS, Encoding
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
    "is_unfinished",
    "manifest_csv",
    "note_unfinished",
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


def picture_path(split: Split, slug: str, sha256: str, encoding: Encoding = "jpeg") -> str:
    """Return a published picture's path inside its version."""
    return f"{split}/{slug}/{sha256[:16]}.{EXTENSIONS[encoding.upper()]}"


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


def note_unfinished(dataset: Dataset, number: int, folder: Path) -> None:
    """Note, before a version's folder gets its name, which one it will be and what is in it.

    The next run knows by it what a killed run left. The note goes when the link is set.
    """
    facts = {"number": number, "checksums": file_sha256(folder / CHECKSUMS)}
    durable.write_file(_note(dataset), record_json(facts))


def is_unfinished(dataset: Dataset, number: int) -> bool:
    """Say whether a version is just what a run of ours left that was killed before its end."""
    folder = dataset.versions / str(number)
    try:
        facts = json.loads(_note(dataset).read_bytes())
        sums = file_sha256(folder / CHECKSUMS)
    except (OSError, ValueError):
        return False
    return facts == {"number": number, "checksums": sums} and not is_damaged(folder)


def _note(dataset: Dataset) -> Path:
    return dataset.versions.parent / "publishing.json"


def recover(dataset: Dataset, claimed: Collection[int]) -> int:
    """Finish what a killed run left, and return the number of the next version.

    Half-written folders and a version that a killed run left before its rows go; what else no run
    speaks of stays. `current` comes to point to the newest version that there is.
    """
    dataset.versions.mkdir(parents=True, exist_ok=True)
    durable.remove_parts(dataset.versions)
    durable.remove_parts(dataset.root)
    found = numbers(dataset.versions)
    for number in set(found) - set(claimed):
        if is_unfinished(dataset, number):
            _remove(dataset, number)
    published = [number for number in found if number in claimed]
    if published:
        point_to(dataset, published[-1])
    return max([next_version(dataset.versions), *(n + 1 for n in (*found, *claimed))])


def point_to(dataset: Dataset, number: int) -> None:
    """Make `current` the link to a version, unless it is; no version is unfinished then."""
    target = f"versions/{number}"
    if not dataset.current.is_symlink() or dataset.current.readlink() != Path(target):
        durable.swap_link(dataset.current, target)
    _note(dataset).unlink(missing_ok=True)


def prune(dataset: Dataset, keep: int) -> list[int]:
    """Remove all but the newest versions; return the numbers of those removed."""
    old = numbers(dataset.versions)[:-keep]
    for number in old:
        _remove(dataset, number)
    return old


def _remove(dataset: Dataset, number: int) -> None:
    """Remove a version, so that no part of it ever stands under its number."""
    aside = dataset.versions / f"{durable.PART_PREFIX}removed-{number}"
    shutil.rmtree(aside, ignore_errors=True)
    (dataset.versions / str(number)).rename(aside)
    shutil.rmtree(aside)


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
