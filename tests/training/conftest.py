"""Publish a small version of drawn pictures: what curate leaves behind for training."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw

from sceneset.class_list import slug_of
from sceneset.manifest.rows import Split
from sceneset.manifest.store import Manifest
from sceneset.versions.published import (
    MANIFEST_NAME,
    PublishedPicture,
    manifest_csv,
    version_id,
)

NAMES = ("Disc", "Frame <b>&", "Stripes")
SIZE = 32
Publish = Callable[..., Path]


def draw(kind: int, rng: Random) -> bytes:
    """Draw a disc, a frame or stripes in colours that differ and say nothing about the class."""
    ground = tuple(rng.randrange(256) for _ in range(3))
    colours = [ground, tuple((channel + 128) % 256 for channel in ground)]
    image = Image.new("RGB", (SIZE, SIZE), colours[0])
    pen = ImageDraw.Draw(image)
    x, y, r = rng.randrange(10, 22), rng.randrange(10, 22), rng.randrange(6, 10)
    if kind == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colours[1])
    elif kind == 1:
        pen.rectangle((x - r, y - r, x + r, y + r), outline=colours[1], width=3)
    else:
        for left in range(rng.randrange(4), SIZE, 6):
            pen.line((left, 0, left, SIZE), fill=colours[1], width=2)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Return a function that publishes so many pictures per class and split."""

    def make(counts: dict[str, dict[Split, int]], names: tuple[str, ...] = NAMES) -> Path:
        root = tmp_path_factory.mktemp("data") / "drawn"
        folder = root / "curated" / "versions" / "1"
        folder.mkdir(parents=True)
        with Manifest(root / "manifest.db"):
            pass
        pictures = [
            _save(folder, names, name, split, number)
            for name, by_split in counts.items()
            for split, count in by_split.items()
            for number in range(count)
        ]
        (folder / MANIFEST_NAME).write_bytes(manifest_csv(pictures))
        version = version_id(pictures)
        record = {"version": version, "class_names": names, "size": SIZE, "counts": counts}
        (folder / "dataset.json").write_text(json.dumps(record))
        (root / "curated" / "current").symlink_to("versions/1")
        return root

    return make


def _save(
    folder: Path, names: tuple[str, ...], name: str, split: Split, number: int
) -> PublishedPicture:
    label = names.index(name)
    data = draw(label, Random(f"{name} {split} {number}"))
    digest = hashlib.sha256(data).hexdigest()
    path = folder / split / slug_of(name) / f"{digest[:16]}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    relative = path.relative_to(folder).as_posix()
    return PublishedPicture(relative, label, name, split, digest, "", SIZE, SIZE, "", "", "")


@pytest.fixture(scope="session")
def drawn(publish: Publish) -> Path:
    """Return a data set of three drawn classes."""
    return publish({name: {"train": 60, "val": 12, "test": 8} for name in NAMES})
