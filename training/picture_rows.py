"""Decode each picture once, and keep the pixels on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.dataset import run_lock
from pipeline.progress import Bar
from training.pictures import Version, picture_batches
from training.rows import Filling, Rows, open_rows, prune


def decoded(
    version: Version,
    cache: Path,
    versions: Callable[[], frozenset[str]],
    bar: Callable[[int], Bar],
) -> Rows:
    """Return training, then validation pictures, uint8[N, size, size, 3], 77 kB each at 160 px.

    They lie among the embeddings, under the same lock, so that `forget` finds both. Those of versions
    that are no more are removed.
    """
    said = f"{version.id} {version.pixels} {version.size} {version.fit} pixels"
    folder = cache / f"{version.id[:16]}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    paths = version.paths("train") + version.paths("val")
    shape = (len(paths), version.size, version.size, 3)
    found = open_rows(folder, shape, np.uint8)
    if found is not None:
        return found
    with run_lock(cache, "decoding"):
        prune(cache, versions() | {version.id[:16]})
        filling, progress, row = Filling(folder, shape, np.uint8), bar(len(paths)), 0
        try:
            for batch in picture_batches(paths, version.size, version.fit):
                filling.write(row, batch)
                row += len(batch)
                progress.advance(len(batch))
            filling.finish({"version": version.id}, [])
        finally:
            filling.close()
    rows = open_rows(folder, shape, np.uint8)
    if rows is None:
        raise OSError(f"{folder} is not what was written to it")
    return rows
