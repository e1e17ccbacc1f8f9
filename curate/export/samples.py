"""Open a published version as exports see it: samples with their origins, by split, in one order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sceneset.checksums import altered_files
from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.manifest.provenance import published_page, source_of
from sceneset.manifest.rows import SPLITS, Split
from sceneset.manifest.store import Manifest
from sceneset.versions.published import (
    PublishedPicture,
    read_pictures,
    read_record,
)
from sceneset.versions.verify import FORGET_AGAIN

# Loaders of shards and tables call our `val` so.
LONG_NAMES: Mapping[Split, str] = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest knows of where a picture is from, beyond manifest.csv."""

    source: str = "of unknown source"
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""
    seen_at: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One published picture with its file and origin."""

    picture: PublishedPicture
    file: Path
    origin: Origin

    @property
    def key(self) -> str:
        """Return a name like no other in the version, of hexadecimal digits, a dash and digits."""
        return f"{self.picture.sha256[:16]}-{self.picture.label}"

    @property
    def file_name(self) -> str:
        """Return the key with the file's ending."""
        return f"{self.key}{self.file.suffix}"

    @property
    def facts(self) -> dict[str, str | int]:
        """Return what goes with the picture as typed columns, none of them ever empty of type."""
        facts = asdict(self.picture) | asdict(self.origin)
        apart = ("class_name", "label", "path", "split", "seen_at", "source")
        return {
            "key": self.key,
            "class": self.picture.class_name,
            "label": self.picture.label,
            **{name: value for name, value in facts.items() if name not in apart},
        }


@dataclass(frozen=True)
class Version:
    """A published version as the formats see it.

    The samples of a split are in the order of their keys, which mixes the classes: readers that
    stream see all of them from the start.
    """

    name: str
    number: int
    record: Mapping[str, Any]
    samples: Mapping[Split, Sequence[Sample]]
    published_at: str = ""
    shard_bytes: int = 500_000_000
    advance: Callable[[], None] = field(default=lambda: None, compare=False)

    @property
    def id(self) -> str:
        """Return the version id."""
        return str(self.record["version"])

    @property
    def class_names(self) -> list[str]:
        """Return the class names; a name's position is its label."""
        return list(self.record["class_names"])

    @property
    def suffix(self) -> str:
        """Return the ending of the pictures' names, with its dot."""
        return next((sample.file.suffix for sample in self.all()), ".jpg")

    @property
    def class_lines(self) -> bytes:
        """Return the class names as a text file, one a line."""
        return "".join(f"{name}\n" for name in self.class_names).encode()

    @property
    def used_splits(self) -> list[Split]:
        """Return the splits that hold pictures."""
        return [split for split in SPLITS if self.samples[split]]

    def all(self) -> Iterator[Sample]:
        """Yield every sample, split by split."""
        for split in SPLITS:
            yield from self.samples[split]

    def read(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, bytes]]:
        """Yield samples with their files' bytes, moving the progress bar."""
        for sample in samples:
            yield sample, sample.file.read_bytes()
            self.advance()

    def shards(self, split: Split) -> list[Sequence[Sample]]:
        """Part a split's samples, in order, into shards of about `shard_bytes` of pictures."""
        samples = self.samples[split]
        sizes = [sample.file.stat().st_size for sample in samples]
        return [samples[start:end] for start, end in shard_bounds(sizes, self.shard_bytes)]


def shard_bounds(sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Return (start, end) of runs of items whose sizes sum to `limit` at most, or of one item."""
    bounds, start, total = [], 0, 0
    for position, size in enumerate(sizes):
        if position > start and total + size > limit:
            bounds.append((start, position))
            start, total = position, 0
        total += size
    if sizes:
        bounds.append((start, len(sizes)))
    return bounds


@dataclass(frozen=True)
class Written:
    """What a format adds to the card: front matter for hubs, and how the export is read."""

    how_to_read: str
    front_matter: Mapping[str, Any] = field(default_factory=dict)


def open_version(dataset: Dataset, manifest: Manifest, folder: Path, shard_bytes: int) -> Version:
    """Open a version after checking every file of it.

    Raises DamagedDataError when a file is missing or altered, there is no picture, or one of them
    is forgotten.
    """
    _check_files(folder)
    number = int(folder.name)
    record = read_record(folder)
    pictures = read_pictures(folder)
    if record is None or not pictures:
        raise DamagedDataError(
            f"version {number} of {dataset.root} holds no picture or no dataset.json",
            cure=f"sceneset curate --dataset {dataset.root}",
        )
    _check_forgotten(manifest, number, pictures)
    published = (run for run in manifest.runs("curate") if run.counts.get("number") == number)
    origins = _origins(manifest)
    unknown = Origin()
    samples = [
        Sample(
            p,
            folder / p.path,
            origins.get((p.sha256, p.engine, p.page_url)) or origins.get((p.sha256,), unknown),
        )
        for p in pictures
    ]
    return Version(
        name=dataset.name,
        number=number,
        record=record,
        samples={
            split: sorted((s for s in samples if s.picture.split == split), key=lambda s: s.key)
            for split in SPLITS
        },
        published_at=next((run.finished_at or "" for run in published), ""),
        shard_bytes=shard_bytes,
    )


def _check_files(folder: Path) -> None:
    problems = altered_files(folder)
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


def _origins(manifest: Manifest) -> dict[tuple[str, ...], Origin]:
    """Return (SHA-256, engine, page) -> origin by the first sighting, and likewise (SHA-256,)."""
    origins: dict[tuple[str, ...], Origin] = {}
    settings = {run.id: run.settings for run in manifest.runs()}
    rows = manifest.query(
        "SELECT sha256, engine, page_url, run_id, licence, licence_url, creator, attribution, seen_at"
        " FROM sightings WHERE sha256 IS NOT NULL ORDER BY id"
    )
    for sha256, engine, page_url, run_id, *facts in rows:
        origin = Origin(source_of(engine, settings[run_id]), *facts)
        origins.setdefault((sha256, engine, published_page(page_url)), origin)
        origins.setdefault((sha256,), origin)
    return origins
