"""Embed each picture once, in several views, and keep the embeddings on disk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple

import numpy as np

from sceneset.dataset import run_lock
from sceneset.progress import Bar
from training.data.augment import Chances, random_view
from training.data.memmap import MAPS, Filling, Rows, open_rows, prune
from training.data.version import Version, picture_batches
from training.models.inference import Compute, Pictures

NOTE_SECONDS = 5.0
CENTRE, MIRRORED = 0, 1
FeatureKind = Literal["pooled", "map", "pixels"]
# What a network gives.
KINDS: tuple[FeatureKind, ...] = ("pooled", "map")
DTYPES: Mapping[FeatureKind, Any] = {"pooled": np.float32, "map": MAPS, "pixels": np.uint8}


@dataclass(frozen=True)
class View:
    """One way to look at a picture: 0 as it is, 1 mirrored, others drawn at random by chances.

    The draw depends on the view's number and the picture's row alone, so that it can be made again.
    """

    number: int
    chances: Chances

    def __str__(self) -> str:
        """Name the view by everything that decides it."""
        if self.number <= MIRRORED:
            return ("centre", "mirrored")[self.number]
        return f"random-{self.number}-{self.chances}"

    def of(self, pictures: Pictures, row: int) -> Pictures:
        """Return the view of uint8[N, size, size, 3]; the first is the picture of that row."""
        if self.number == CENTRE:
            return pictures
        if self.number == MIRRORED:
            return pictures[:, :, ::-1]
        return np.stack(
            [
                random_view(one, self.chances, np.random.default_rng((self.number, row + k)))
                for k, one in enumerate(pictures)
            ]
        )


@dataclass(frozen=True)
class FeatureSource:
    """What is embedded, by what, and where the embeddings are kept.

    `key` names everything about the network that decides the features: its name, its weights, the
    layers read, the runtime. Without one, only pictures as they are can be had. `shapes` are those
    of what it gives, in that order; `stage` is what the lock says of the run.
    """

    version: Version
    cache: Path
    key: str
    shapes: Mapping[FeatureKind, tuple[int, ...]]
    stage: str = "embedding"

    def rows(self, view: View) -> int:
        """Count a view's rows: the centre has training, then validation pictures."""
        splits = self.version.splits
        return len(splits["train"]) + (len(splits["val"]) if view.number == CENTRE else 0)

    def folder(self, view: View, kind: FeatureKind) -> Path:
        """Return the folder of one view's features of one kind."""
        what, version = f"{self.key} {view} {kind}" if self.key else kind, self.version
        name = f"{version.id} {version.pixels} {version.size} {version.fit} {what}"
        return self.cache / f"{version.id[:16]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def stored(self, view: View, kind: FeatureKind) -> Rows | None:
        """Return a view's features when they are kept already."""
        shape = (self.rows(view), *self.shapes[kind])
        return open_rows(self.folder(view, kind), shape, DTYPES[kind])


class Runtimes(NamedTuple):
    """What computes features: of training pictures, and exactly, of validation pictures."""

    train: Compute
    exact: Compute


def embed(
    source: FeatureSource,
    wanted: Sequence[tuple[View, FeatureKind]],
    runtimes: Callable[[], Runtimes],
    versions: Callable[[], frozenset[str]],
    bar: Callable[[int], Bar],
) -> list[Rows]:
    """Return the features of each view and kind, computed where they are not kept already.

    A killed run's batches are gone on with. Features of versions that are no more are removed;
    `versions` is called with the lock held, so that none is missed that another run reads.
    """
    rows = [source.stored(*one) for one in wanted]
    if None in rows:
        with run_lock(source.cache, source.stage):
            prune(source.cache, versions() | {source.version.id[:16]})
            missing = [one for one in wanted if source.stored(*one) is None]
            if missing:
                _fill(source, missing, runtimes(), bar)
            # Opened rows stay readable; without the lock another run may remove the maps first.
            rows = [source.stored(*one) for one in wanted]
    if None in rows:
        raise OSError(f"{source.cache} does not hold what was written to it")
    return [one for one in rows if one is not None]


def decoded(
    version: Version,
    cache: Path,
    versions: Callable[[], frozenset[str]],
    bar: Callable[[int], Bar],
) -> Rows:
    """Return training, then validation pictures, uint8[N, size, size, 3], 77 kB each at 160 px.

    They lie among the embeddings, under the same lock, so that `forget` finds both.
    """

    def as_they_are(pictures: Pictures) -> list[Pictures]:
        return [pictures]

    runtimes = Runtimes(as_they_are, as_they_are)
    shape = (version.size, version.size, 3)
    source = FeatureSource(version, cache, "", {"pixels": shape}, "decoding")
    (rows,) = embed(source, [(View(CENTRE, Chances()), "pixels")], lambda: runtimes, versions, bar)
    return rows


def _fill(
    source: FeatureSource,
    wanted: Sequence[tuple[View, FeatureKind]],
    runtimes: Runtimes,
    bar: Callable[[int], Bar],
) -> None:
    with ExitStack() as stack:
        fillings = {}
        for view, kind in wanted:
            shape = (source.rows(view), *source.shapes[kind])
            filling = Filling(source.folder(view, kind), shape, DTYPES[kind])
            fillings[view, kind] = stack.enter_context(closing(filling))
        _go_through(source, fillings, runtimes, bar)


def _go_through(
    source: FeatureSource,
    fillings: Mapping[tuple[View, FeatureKind], Filling],
    runtimes: Runtimes,
    bar: Callable[[int], Bar],
) -> None:
    version = source.version
    middle, count = len(version.splits["train"]), max(one.count for one in fillings.values())
    start = min((one.done for one in fillings.values() if one.done < one.count), default=count)
    progress = bar(count)
    progress.advance(start)
    noted_at = monotonic()
    for row, batch in _batches(version, start, count):
        train = row < middle
        compute = runtimes.train if train else runtimes.exact
        _write(row, batch, list(source.shapes), fillings, compute, train=train)
        progress.advance(len(batch))
        if monotonic() - noted_at > NOTE_SECONDS:
            for filling in fillings.values():
                filling.note(min(row + len(batch), filling.count))
            noted_at = monotonic()
    examples = (*version.splits["train"], *version.splits["val"])
    for (view, kind), filling in fillings.items():
        plain = view.number == CENTRE and kind == "pooled"
        about = {"version": version.id, "network": source.key, "view": str(view), "kind": kind}
        filling.finish(about, [one.sha256 for one in examples] if plain else [])


def _write(
    row: int,
    batch: Pictures,
    kinds: Sequence[FeatureKind],
    fillings: Mapping[tuple[View, FeatureKind], Filling],
    compute: Compute,
    *,
    train: bool,
) -> None:
    """Compute a batch's views once each, and write what is wanted of them."""
    for view in sorted({view for view, _ in fillings}, key=lambda one: one.number):
        if not train and view.number != CENTRE:
            continue
        for kind, features in zip(kinds, compute(view.of(batch, row)), strict=True):
            if (view, kind) in fillings:
                fillings[view, kind].write(row, features)


def _batches(version: Version, start: int, count: int) -> Iterator[tuple[int, Pictures]]:
    """Yield (row, pictures) from a row on; no batch holds pictures of both splits."""
    paths = (version.paths("train") + version.paths("val"))[:count]
    middle = len(version.splits["train"])
    for first, last in ((start, middle), (max(start, middle), count)):
        row = first
        for batch in picture_batches(paths[first:last], version.size, version.fit):
            yield row, batch
            row += len(batch)
