"""Run curate on a drawn data set and look at what it published."""

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curate.commands.curate import curate
from curate.settings import CurateSettings
from sceneset.dataset import Dataset
from sceneset.manifest.rows import ImageRow, SightingRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output

Adopt = Callable[..., Dataset]
Classes = dict[str, list[bytes]]


def scene(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """Draw a picture with large shapes and fine detail, like no other seed's."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for shape in ((5, 6, 3), (24, 32, 3))
    ]
    return Image.blend(layers[0], layers[1], 0.35)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def run(dataset: Dataset, **options: Any) -> Outcome:  # noqa: ANN401  any setting
    settings = CurateSettings(dataset=dataset.root, executor="serial", **options)
    return curate(settings=settings, output=Output(quiet=True))


def rows_of(dataset: Dataset) -> list[dict[str, str]]:
    text = (dataset.current / "manifest.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def splits_of(dataset: Dataset) -> dict[str, str]:
    return {row["sha256"]: row["split"] for row in rows_of(dataset)}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keep_picture(
    dataset: Dataset,
    manifest: Manifest,
    data: bytes,
    sighting: SightingRow,
    size: tuple[int, int] = (240, 180),
) -> None:
    """Put a JPEG into raw/ and the manifest, with a sighting of it."""
    path = dataset.raw_name(sha(data), "jpg")
    (dataset.root / path).parent.mkdir(parents=True, exist_ok=True)
    (dataset.root / path).write_bytes(data)
    manifest.insert([ImageRow(sha(data), path, "JPEG", *size, len(data), sighting.seen_at)])
    manifest.insert([sighting])


def recoded(data: bytes, quality: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
