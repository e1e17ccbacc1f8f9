"""Say what every format writes: samples with their facts, by split, in one order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sceneset.manifest.rows import SPLITS, Split
from sceneset.versions.published import PublishedPicture

# Loaders of shards and tables call our `val` so.
LONG_NAMES: Mapping[Split, str] = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest knows of where a picture is from, beyond manifest.csv."""

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
    def suffix(self) -> str:
        """Return the ending of the file's name, with its dot."""
        return self.file.suffix

    @property
    def facts(self) -> dict[str, str | int]:
        """Return what goes with the picture as typed columns, none of them ever empty of type."""
        row = asdict(self.picture)
        columns = {"class": row.pop("class_name"), "label": row.pop("label")}
        del row["path"], row["split"]
        origin = asdict(self.origin)
        del origin["seen_at"]
        return {"key": self.key, **columns, **row, **origin}


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
        return next((sample.suffix for sample in self.all()), ".jpg")

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
