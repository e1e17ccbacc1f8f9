"""Read and describe a published version: its pictures, its id, its record."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sceneset.errors import DamagedDataError
from sceneset.manifest.provenance import published_page
from sceneset.manifest.rows import SPLITS, Split

MANIFEST_NAME = "manifest.csv"
RECORD_NAME = "dataset.json"
_NUMBER = re.compile("[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class PublishedPicture:
    """One row of manifest.csv; `class_name` is its column `class`.

    `page_url` of an adopted picture is its path in the adopted folder.
    """

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


COLUMNS = tuple(
    "class" if field.name == "class_name" else field.name for field in fields(PublishedPicture)
)


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
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for picture in sorted(pictures, key=lambda p: p.path):
        writer.writerow(asdict(picture).values())
    return text.getvalue().encode()


def parse_manifest_csv(data: bytes) -> list[PublishedPicture]:
    """Return the rows of a manifest.csv. Raises ValueError when it is not one."""
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    if tuple(next(rows, ())) != COLUMNS:
        raise ValueError("its first line does not name the columns")
    return [_picture(row) for row in rows]


def _picture(row: list[str]) -> PublishedPicture:
    path, label, class_name, named, sha256, group, width, height, page_url, *source = row
    split = next((s for s in SPLITS if s == named), None)
    if split is None:
        raise ValueError(f"{named!r} is no split")
    sizes = (int(width), int(height))
    # Versions of earlier releases hold the whole path of an adopted picture.
    source = [published_page(page_url), *source]
    return PublishedPicture(path, int(label), class_name, split, sha256, group, *sizes, *source)


def read_pictures(folder: Path) -> list[PublishedPicture]:
    """Return the pictures of a version, by path.

    Raises DamagedDataError when its manifest.csv is missing or cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        return parse_manifest_csv(path.read_bytes())
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DamagedDataError(
            f"{path} cannot be read: {error}", cure="sceneset curate publishes a whole version"
        ) from error


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return a version's dataset.json, or None when there is none that can be read."""
    return read_object(folder / RECORD_NAME)


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, or None when there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def record_json(record: object) -> bytes:
    """Return what dataset.json holds of a record."""
    return f"{json.dumps(record, ensure_ascii=False, indent=1)}\n".encode()


def version_number(name: str) -> int | None:
    """Return the number that a version's folder of this name has, or None: `003` is no version."""
    return int(name) if _NUMBER.fullmatch(name) else None


def numbers(versions: Path) -> list[int]:
    """Return the numbers of the version folders, sorted; files and links are none, however named."""
    if not versions.is_dir():
        return []
    names = (p.name for p in versions.iterdir() if p.is_dir() and not p.is_symlink())
    return sorted(number for name in names if (number := version_number(name)) is not None)
