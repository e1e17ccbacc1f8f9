"""Read a published version with what the manifest knows of its pictures' origins."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curate.formats.samples import Origin, Sample, Version
from pipeline.checksums import altered_files
from pipeline.dataset import Dataset
from pipeline.errors import DamagedDataError, MissingInputError
from pipeline.manifest import Manifest
from pipeline.published import (
    PublishedPicture,
    current_number,
    numbers,
    read_pictures,
    read_record,
)
from pipeline.rows import SPLITS
from pipeline.verify import FORGET_AGAIN


def find_version(dataset: Dataset, number: int | None) -> Path:
    """Return the folder of a version, or of the current one. Raises MissingInputError."""
    there = numbers(dataset.versions)
    if number is None:
        number = current_number(dataset)
        if number is not None:
            return dataset.versions / str(number)
        raise MissingInputError(
            f"{dataset.root} has no published version",
            cure=f"sceneset curate --dataset {dataset.root}",
        )
    if number not in there:
        known = ", ".join(map(str, there))
        raise MissingInputError(
            f"{dataset.root} has no published version {number}",
            cure=f"name one of {known}" if there else f"sceneset curate --dataset {dataset.root}",
        )
    return dataset.versions / str(number)


def open_version(dataset: Dataset, manifest: Manifest, folder: Path, shard_bytes: int) -> Version:
    """Open a version after checking every file of it.

    Raises DamagedDataError when a file is missing or altered, there is no picture, or one of them
    is forgotten.
    """
    _check(folder)
    number = int(folder.name)
    record = read_record(folder)
    pictures = read_pictures(folder)
    if record is None or not pictures:
        raise DamagedDataError(
            f"version {number} of {dataset.root} holds no picture or no dataset.json",
            cure=f"sceneset curate --dataset {dataset.root}",
        )
    _check_forgotten(manifest, number, pictures)
    origins = _origins(manifest)
    samples = [Sample(p, folder / p.path, _origin(origins, p)) for p in pictures]
    return Version(
        name=dataset.root.resolve().name,
        number=number,
        record=record,
        samples={
            split: sorted((s for s in samples if s.picture.split == split), key=lambda s: s.key)
            for split in SPLITS
        },
        published_at=_published_at(manifest, number),
        shard_bytes=shard_bytes,
    )


def _check(folder: Path) -> None:
    try:
        problems = altered_files(folder)
    except OSError as error:
        problems = [f"its checksums cannot be read ({error.strerror})"]
    if problems:
        raise DamagedDataError(
            f"version {folder.name} is damaged: {problems[0]}",
            cure="sceneset curate publishes it again; sceneset verify lists everything",
        )


def _check_forgotten(manifest: Manifest, number: int, pictures: Iterable[PublishedPicture]) -> None:
    """Refuse a version that a forget which was cut short has yet to take pictures out of."""
    forgotten = {sha256 for sha256, _, _ in manifest.tombstones()}
    for picture in pictures:
        if picture.sha256 in forgotten:
            raise DamagedDataError(
                f"version {number} still holds {picture.sha256}, which is forgotten",
                cure=FORGET_AGAIN,
            )


def _origins(manifest: Manifest) -> dict[tuple[str, str], Origin]:
    """Return (SHA-256, page) -> origin by the first sighting, and likewise for any page ('')."""
    found: dict[tuple[str, str], Origin] = {}
    rows = manifest.query(
        "SELECT sha256, page_url, licence, licence_url, creator, attribution, seen_at FROM sightings"
        " WHERE sha256 IS NOT NULL ORDER BY id"
    )
    for sha256, page_url, *facts in rows:
        origin = Origin(*facts)
        found.setdefault((sha256, page_url), origin)
        found.setdefault((sha256, ""), origin)
    return found


def _origin(origins: dict[tuple[str, str], Origin], picture: PublishedPicture) -> Origin:
    known = origins.get((picture.sha256, picture.page_url))
    return known or origins.get((picture.sha256, ""), Origin())


def _published_at(manifest: Manifest, number: int) -> str:
    """Return when the run ended that published a version, or nothing."""
    for run in manifest.runs("curate"):
        counts: dict[str, Any] = run.counts or {}
        if counts.get("number") == number:
            return run.finished_at or ""
    return ""
