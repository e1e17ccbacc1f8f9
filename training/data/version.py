"""Read a published version: its record, its pictures as arrays, where they come from."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sceneset.checksums import file_sha256, read_checksums
from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError, MissingInputError
from sceneset.images import Fit, PictureError, load_square
from sceneset.manifest.provenance import source_of
from sceneset.manifest.rows import SPLITS, Split
from sceneset.manifest.store import Manifest
from sceneset.versions.published import MANIFEST_NAME, RECORD_NAME, parse_manifest_csv, version_id
from sceneset.workers import map_items
from training.models.backend import tf

DECODERS = "threads:2"
BATCH = 32


@dataclass(frozen=True, slots=True)
class Example:
    """One picture file, its label and, when known, the SHA-256 of the picture as scraped and its leak group.

    `checksum` is the SHA-256 of the file itself, as it was published.
    """

    path: Path
    label: int
    sha256: str = ""
    group: str = ""
    checksum: str = ""


@dataclass(frozen=True)
class Version:
    """One published version: class names by label, picture size in px, examples by split.

    `pixels` tells versions of the same pictures apart that were published in another way, such as
    another encoding: a digest of SHA256SUMS, or the id of a version that has none.
    """

    id: str
    folder: Path
    class_names: tuple[str, ...]
    size: int
    fit: Fit
    splits: dict[Split, tuple[Example, ...]]
    pixels: str = ""

    def labels(self, split: Split) -> NDArray[np.int64]:
        """Return the labels of a split, int64[N], in the order of its examples."""
        return labels_of(self.splits[split])

    def paths(self, split: Split) -> list[Path]:
        """Return the files of a split, in the order of its examples."""
        return [example.path for example in self.splits[split]]

    def classes_without(self, split: Split) -> list[str]:
        """Name the classes that have no picture in a split."""
        present = {example.label for example in self.splits[split]}
        return [name for label, name in enumerate(self.class_names) if label not in present]


def read_version(dataset: Dataset) -> Version:
    """Read the newest published version.

    Raises MissingInputError when nothing is published, DamagedDataError when its record does not
    say what it should.
    """
    if not (dataset.current / RECORD_NAME).is_file():
        raise MissingInputError(
            f"nothing is published at {dataset.root}",
            cure=f"sceneset curate --dataset {dataset.root}",
        )
    folder = dataset.current.resolve()
    try:
        record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        return _version(folder, record)
    except (OSError, ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        raise DamagedDataError(
            f"the version at {folder} cannot be read ({type(error).__name__}: {error})",
            cure=f"sceneset curate --dataset {dataset.root} publishes it anew",
        ) from error


def _version(folder: Path, record: dict[str, Any]) -> Version:
    names = tuple(str(name) for name in record["class_names"])
    try:
        checksums = read_checksums(folder)
    except FileNotFoundError:  # published before versions had SHA256SUMS
        checksums = None
    pictures = parse_manifest_csv((folder / MANIFEST_NAME).read_bytes())
    splits: dict[Split, list[Example]] = {split: [] for split in SPLITS}
    for one in pictures:
        if names[one.label] != one.class_name:
            raise ValueError(f"label {one.label} is {names[one.label]!r}, not {one.class_name!r}")
        checksum = checksums.get(one.path, "none") if checksums is not None else ""
        example = Example(folder / one.path, one.label, one.sha256, one.group, checksum)
        splits[one.split].append(example)
    if version_id(pictures) != record["version"]:
        raise DamagedDataError(
            f"the version at {folder} was altered since: its pictures do not match its id",
            cure="sceneset curate publishes a new version",
        )
    return Version(
        id=str(record["version"]),
        folder=folder,
        class_names=names,
        size=int(record["size"]),
        fit=cast("Fit", record.get("fit", "crop")),
        splits={split: tuple(examples) for split, examples in splits.items()},
        pixels=_pixels(splits) if checksums is not None else str(record["version"]),
    )


def _pixels(splits: Mapping[Split, Sequence[Example]]) -> str:
    """Return a digest of the pictures' lines of SHA256SUMS: the other files tell of the day too."""
    lines = [f"{one.path.name} {one.checksum}" for rows in splits.values() for one in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_classes(version: Version) -> None:
    """Raise MissingInputError when fewer than two classes have training pictures."""
    taught = {example.label for example in version.splits["train"]}
    if len(taught) < 2:  # noqa: PLR2004  one class needs no classifier
        raise MissingInputError(
            f"{len(taught)} of {len(version.class_names)} classes have training pictures;"
            " two are needed",
            cure="scrape or add more classes, then sceneset curate",
        )


def check_pictures(examples: Sequence[Example]) -> None:
    """Raise DamagedDataError naming the first picture that was altered since it was published."""
    for path, why in altered(examples):
        raise DamagedDataError(
            f"the published picture {path} {why}",
            cure="sceneset verify lists what is damaged; sceneset curate publishes a new version",
        )


def altered(examples: Sequence[Example]) -> Iterator[tuple[Path, str]]:
    """Yield each picture whose file is gone or is not the one that was published, and which.

    Hashes every file by two threads. Those of versions without SHA256SUMS cannot be checked.
    """

    def digest(example: Example) -> str:
        return file_sha256(example.path)

    for result in map_items(digest, [one for one in examples if one.checksum], DECODERS):
        if isinstance(result.error, OSError):
            yield result.item.path, f"cannot be read: {result.error}"
        elif result.value != result.item.checksum:
            yield result.item.path, "is not the file that was published"


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return int64[N]."""
    return np.array([example.label for example in examples], dtype=np.int64)


def groups_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the leak groups numbered from 0, int64[N]; a picture of no known group is its own."""
    names = [example.group or f"{place}" for place, example in enumerate(examples)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def raise_damaged(path: Path, error: Exception) -> None:
    """Raise DamagedDataError: a published picture is missing or is no picture."""
    raise DamagedDataError(
        f"the published picture {path} cannot be read: {error}",
        cure="sceneset verify lists what is damaged; sceneset curate publishes a new version",
    ) from error


def picture_batches(
    paths: Sequence[Path],
    size: int,
    fit: Fit = "crop",
    *,
    batch: int = BATCH,
    broken: Callable[[Path, Exception], None] = raise_damaged,
) -> Iterator[NDArray[np.uint8]]:
    """Yield uint8[<= batch, size, size, 3], decoded by two threads ahead of the reader.

    `broken` is called with each file that is missing or no picture; the others go on if it returns.
    """
    held: list[NDArray[np.uint8]] = []

    def load(path: Path) -> NDArray[np.uint8]:
        return load_square(path.read_bytes(), size, fit)

    for result in map_items(load, paths, DECODERS):
        try:
            held.append(result.get())
        except (OSError, PictureError) as error:
            broken(result.item, error)
        if len(held) == batch:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)


# Called once per epoch: the seed of the run, the number of the epoch
Seeds = Callable[[], tuple[int, int]]
_FAILURES: list[Exception] = []


def stream(version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None) -> Any:  # noqa: ANN401
    """Return what Keras fits on: batches of examples, two ahead; the seeds are drawn once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    shape = (None, version.size, version.size, 3)
    data = tf.data.Dataset.from_generator(
        partial(_batches, version, examples, batch, seeds),
        output_signature=(tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((None,), tf.int64)),
    )
    cardinality = tf.data.experimental.assert_cardinality(-(-len(examples) // batch))
    return data.apply(cardinality).prefetch(2)


def _batches(
    version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield an epoch; in the order that the next seed draws, or as it is without seeds.

    Errors are kept too, since TensorFlow turns them into text.
    """
    order = np.arange(len(examples))
    if seeds is not None:
        order = np.random.default_rng(seeds()).permutation(len(examples))
    chosen = [examples[place] for place in order.tolist()]
    pictures = picture_batches([e.path for e in chosen], version.size, version.fit, batch=batch)
    labels, start = labels_of(chosen), 0
    try:
        for stack in pictures:
            yield stack, labels[start : start + len(stack)]
            start += len(stack)
    except Exception as error:
        _FAILURES.append(error)
        raise


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a stream's batches raised in the block in place of TensorFlow's error."""
    _FAILURES.clear()
    try:
        yield
    except Exception as error:
        if _FAILURES:
            raise _FAILURES[0] from error
        raise


_NO_LICENCE = {"", "unknown"}


def count_sources(manifest_path: Path, version: Version) -> dict[str, Any]:
    """Return what the manifest knows of the pictures of a version.

    How many there are, on how many sites they were found, how they came in words, the most
    pictures first, and how many name a licence.
    """
    pictures = {e.sha256 for examples in version.splits.values() for e in examples}
    with Manifest(manifest_path) as manifest:
        rows = manifest.query(
            "SELECT sha256, site, licence, engine, run_id FROM sightings WHERE status = 'kept'"
        )
        settings = {run.id: run.settings for run in manifest.runs()}
    rows = [row for row in rows if row[0] in pictures]
    ways = {(sha256, source_of(engine, settings[run])) for sha256, _, _, engine, run in rows}
    return {
        "pictures": len(pictures),
        "sites": len({row[1] for row in rows if row[1]}),
        "ways": [way for way, _ in Counter(way for _, way in sorted(ways)).most_common()],
        "licensed": len({row[0] for row in rows if row[2] not in _NO_LICENCE}),
    }
