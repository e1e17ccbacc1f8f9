"""Embed each picture once, and keep the embeddings on disk."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import run_lock
from pipeline.durable import new_folder, remove_parts

FILE = "embeddings.npy"
NAMES = "pictures.txt"
Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def cache_key(version_id: str, backbone: str, size: int, weights_sha256: str, *, fit: str) -> str:
    """Name embeddings by everything that decides them."""
    said = f"{version_id} {backbone} {size} {fit} {weights_sha256}"
    return f"{backbone}-{size}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def cached_embeddings(folder: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Return float32[pictures, features] mapped from disk, or None when there is none that fits."""
    try:
        found: NDArray[Any] = np.load(folder / FILE, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def store_embeddings(
    folder: Path,
    shape: tuple[int, int],
    batches: Iterable[NDArray[np.uint8]],
    embed: Embed,
    advance: Callable[[int], None],
    *,
    names: Sequence[str] = (),
) -> NDArray[np.float32]:
    """Embed batch after batch into a file that appears whole; return it mapped from disk.

    `names` are the SHA-256 of the rows' pictures; they stand beside the rows for whoever compares
    pictures by their features.
    """
    with run_lock(folder.parent, "embedding"), _cleared(folder), new_folder(folder) as part:
        rows = np.lib.format.open_memmap(part / FILE, mode="w+", dtype=np.float32, shape=shape)
        start = 0
        for batch in batches:
            rows[start : start + len(batch)] = embed(batch)
            start += len(batch)
            advance(len(batch))
        rows.flush()
        (part / NAMES).write_text("".join(f"{name}\n" for name in names), encoding="ascii")
    found = cached_embeddings(folder, shape)
    if found is None:
        raise OSError(f"{folder / FILE} is not what was written to it")
    return found


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Make room for a folder: what killed runs left of it or of others goes."""
    remove_parts(folder.parent)
    for name in (FILE, NAMES):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
    yield
