"""Put files into a data set as kept pictures, without the checks and reports of `add`."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset, create_dataset
from sceneset.images import read_header
from sceneset.manifest.rows import ImageRow, SightingRow
from sceneset.manifest.store import Manifest, now


def adopt(root: Path, classes: Mapping[str, Sequence[Path]]) -> Dataset:
    """Copy each class's files into a new data set; ranks follow their order."""
    dataset = create_dataset(root)
    with Manifest(dataset.manifest_path) as manifest:
        ids = manifest.adopt_classes(SceneClass(name, (name,)) for name in classes)
        run_id = manifest.start_run("add", {}, {})
        images: dict[str, ImageRow] = {}
        sightings: dict[tuple[str, str], SightingRow] = {}
        for name, paths in classes.items():
            for rank, path in enumerate(paths):
                image = _stored(dataset, path.read_bytes())
                images[image.sha256] = image
                sightings[name, image.sha256] = SightingRow(
                    engine="folder", class_id=ids[name], query=name, rank=rank,
                    result_id=image.sha256, sha256=image.sha256,
                    status="kept", run_id=run_id, seen_at=now(),
                )  # fmt: skip
        with manifest.transaction():
            manifest.insert(list(images.values()))
            manifest.insert(list(sightings.values()))
    return dataset


def _stored(dataset: Dataset, data: bytes) -> ImageRow:
    sha256 = hashlib.sha256(data).hexdigest()
    header = read_header(data)
    path = dataset.raw_name(sha256, header.extension)
    (dataset.root / path).parent.mkdir(parents=True, exist_ok=True)
    (dataset.root / path).write_bytes(data)
    size = (header.width, header.height)
    return ImageRow(sha256, path, header.format, *size, len(data), now())
