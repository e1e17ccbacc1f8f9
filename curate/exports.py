"""Write a published version's files, and keep the folders of versions in order."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from curate.conflicts import Drop, Key
from pipeline import durable
from pipeline.dataset import Dataset
from pipeline.rows import SPLITS, ClassRow, Split

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class PublishedPicture:
    """One row of manifest.csv; `class_name` is its column `class`."""

    path: str
    label: int
    class_name: str
    split: Split
    sha256: str
    group: str
    width: int
    height: int
    page_url: str
    site: str
    engine: str


def picture_path(split: Split, slug: str, sha256: str) -> str:
    """Return a published picture's path inside its version."""
    return f"{split}/{slug}/{sha256[:16]}.jpg"


def version_id(pictures: Iterable[PublishedPicture]) -> str:
    """Return the SHA-256 over the sorted hashes of every picture's SHA-256, class and split."""
    leaves = sorted(
        hashlib.sha256(f"{p.sha256}\0{p.class_name}\0{p.split}".encode()).digest() for p in pictures
    )
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def split_counts(
    pictures: Iterable[PublishedPicture], class_names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return class -> split -> number of pictures, zeros included."""
    counts = {name: dict.fromkeys(map(str, SPLITS), 0) for name in class_names}
    for picture in pictures:
        counts[picture.class_name][picture.split] += 1
    return counts


def manifest_csv(pictures: Iterable[PublishedPicture]) -> bytes:
    """Return manifest.csv: one row per picture, sorted by path."""
    text = io.StringIO(newline="")
    names = [field.name for field in fields(PublishedPicture)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow("class" if name == "class_name" else name for name in names)
    for picture in sorted(pictures, key=lambda p: p.path):
        writer.writerow(asdict(picture).values())
    return text.getvalue().encode()


def write_texts(
    folder: Path, pictures: Sequence[PublishedPicture], record: Mapping[str, Any]
) -> None:
    """Write class_names.txt, manifest.csv and dataset.json."""
    names = "".join(f"{name}\n" for name in record["class_names"])
    (folder / "class_names.txt").write_bytes(names.encode())
    (folder / "manifest.csv").write_bytes(manifest_csv(pictures))
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / "dataset.json").write_bytes(f"{text}\n".encode())


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return a version's dataset.json, or None when there is none that can be read."""
    try:
        record = json.loads((folder / "dataset.json").read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def numbers(versions: Path) -> list[int]:
    """Return the numbers of the version folders, sorted."""
    if not versions.is_dir():
        return []
    return sorted(int(p.name) for p in versions.iterdir() if p.name.isdecimal() and p.is_dir())


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
