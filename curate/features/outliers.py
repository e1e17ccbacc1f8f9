"""Find pictures far from all others, by the features that training left in the cache."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
IQR_FACTOR = 3.0
EMBEDDINGS_NAME = "embeddings.npy"
# The SHA-256 of the picture of each row, one per line.
PICTURES_NAME = "pictures.txt"
_BLOCK = 512

Floats = NDArray[np.float32]


class Outlier(NamedTuple):
    """A picture and its mean cosine distance to the ten nearest others, 0 to 2."""

    distance: float
    sha256: str


def outliers(root: Path, pictures: Iterable[str]) -> list[Outlier]:
    """Return the pictures unusually far from their neighbours, the farthest first.

    Unusual is more than three interquartile ranges above the upper quartile. A data set that has
    not been trained on has no embeddings and so no outliers.
    """
    found = newest_embeddings(root / "cache" / "embeddings")
    if found is None:
        return []
    names, rows = found
    wanted = set(pictures)
    own = [k for k, name in enumerate(names) if name in wanted]
    if len(own) <= NEIGHBOURS:
        return []
    distances = neighbour_distances(rows[own])
    q1, q3 = np.percentile(distances, [25, 75])
    limit = q3 + IQR_FACTOR * (q3 - q1)
    far = (Outlier(float(d), names[k]) for k, d in zip(own, distances, strict=True) if d > limit)
    return sorted(far, key=lambda o: (-o.distance, o.sha256))


def newest_embeddings(cache: Path) -> tuple[list[str], Floats] | None:
    """Return SHA-256s and float32[N, features] of the newest folder that says whose they are."""
    folders = sorted(cache.glob(f"*/{PICTURES_NAME}"), key=lambda p: (-p.stat().st_mtime_ns, p))
    for names_file in folders:
        try:
            names = names_file.read_text(encoding="ascii").split()
            rows = np.load(names_file.parent / EMBEDDINGS_NAME, mmap_mode="r")
        except (OSError, ValueError):
            continue
        if rows.ndim == len(("pictures", "features")) and len(rows) == len(names):
            return names, rows
    return None


def neighbour_distances(rows: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """Return each row's mean cosine distance to its nearest others, float32[N]."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(lengths, 1e-12)
    distances = np.empty(len(unit), np.float32)
    for start in range(0, len(unit), _BLOCK):
        block = slice(start, start + _BLOCK)
        alike = unit[block] @ unit.T
        own = np.arange(len(alike))
        alike[own, own + start] = -2
        nearest = np.partition(alike, -neighbours, axis=1)[:, -neighbours:]
        distances[block] = 1 - nearest.mean(axis=1)
    return distances
