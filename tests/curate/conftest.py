"""Give curate's tests drawn pictures, edits of them, and data sets with a manifest."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from support.curate import jpeg, scene
from support.drawing import draw_jpeg

from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset, create_dataset
from sceneset.images import PictureError, read_header
from sceneset.manifest.rows import ImageRow, SightingRow
from sceneset.manifest.store import Manifest, now

Adopt = Callable[..., Dataset]


def adopt_pictures(root: Path, classes: Mapping[str, Sequence[bytes]]) -> Dataset:
    """Put pictures into a data set as raw files with sightings, in the order given as rank."""
    dataset = create_dataset(root)
    with Manifest(dataset.manifest_path) as manifest:
        ids = manifest.adopt_classes(SceneClass(name, (name,)) for name in classes)
        run_id = manifest.start_run("add", {}, {})
        for name, pictures in classes.items():
            known = manifest.class_pictures(ids[name])
            for rank, data in enumerate(pictures):
                sha256 = hashlib.sha256(data).hexdigest()
                if sha256 in known:
                    continue
                known.add(sha256)
                manifest.insert([_store(dataset, sha256, data)])
                sighting = SightingRow(
                    engine="folder", class_id=ids[name], query=name, rank=rank, result_id=sha256,
                    page_url=f"https://example.org/{sha256[:8]}", site="example.org", sha256=sha256,
                    status="kept", run_id=run_id, seen_at=now(),
                )  # fmt: skip
                manifest.insert([sighting])
    return dataset


def _store(dataset: Dataset, sha256: str, data: bytes) -> ImageRow:
    try:
        header = read_header(data)
        extension, size = header.extension, (header.width, header.height)
        name = header.format
    except PictureError:
        name, extension, size = "JPEG", "jpg", (240, 180)
    path = dataset.raw_name(sha256, extension)
    (dataset.root / path).parent.mkdir(parents=True, exist_ok=True)
    (dataset.root / path).write_bytes(data)
    return ImageRow(sha256, path, name, *size, len(data), now())


@pytest.fixture(name="scene")
def _scene() -> object:
    """Give `scene(seed, size)`."""
    return scene


@pytest.fixture(name="jpeg")
def _jpeg() -> object:
    """Give `jpeg(image, quality)`."""
    return jpeg


@pytest.fixture(scope="session")
def adopt_at() -> Adopt:
    """Give `adopt_at(root, classes)`: class name -> picture bytes, into a data set there."""
    return adopt_pictures


@pytest.fixture
def adopt(tmp_path: Path) -> Adopt:
    """Give `adopt(classes)`: class name -> picture bytes, into the data set tmp_path/set."""
    return lambda classes: adopt_pictures(tmp_path / "set", classes)


@pytest.fixture(scope="session")
def two_classes() -> dict[str, list[bytes]]:
    """Return ten distinct pictures of each of two classes."""
    return {name: [draw_jpeg(100 * k + n) for n in range(10)] for k, name in enumerate("AB")}
