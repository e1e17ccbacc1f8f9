"""Publish a small version without running curate, and read exports back without their peers."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.commands.export import export
from curate.publish.version import picture_path, version_texts
from curate.settings import ExportSettings
from sceneset.checksums import write_checksums
from sceneset.class_list import SceneClass, label_order, slug_of
from sceneset.dataset import Dataset, create_dataset
from sceneset.manifest.rows import SightingRow, Split
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.published import PublishedPicture, read_pictures, split_counts, version_id
from support.curate import keep_picture
from support.drawing import draw_jpeg

ODD_NAMES = ("007", "10_night", "Beach & coast", "Café-bar", "NA", "a.b", "dog", "what?", "日本 🌸")
SPLIT_OF: Sequence[Split] = ("train", "val", "test", "train", "train")
TIME = "2026-01-02T03:04:05.000+00:00"


def drawn(names: Sequence[str], each: int = 5) -> dict[str, list[bytes]]:
    """Return class name -> small pictures, all different."""
    return {
        name: [draw_jpeg(100 * k + n, (16, 16)) for n in range(each)]
        for k, name in enumerate(names)
    }


def publish(root: Path, classes: Mapping[str, Sequence[bytes]], **record: Any) -> Dataset:  # noqa: ANN401  any key of dataset.json
    """Publish version 1 of pictures as they are, with sightings that tell their origin."""
    dataset = create_dataset(root)
    pictures = []
    names = label_order(classes)
    with Manifest(dataset.manifest_path) as manifest:
        ids = manifest.adopt_classes(SceneClass(name, (name,)) for name in classes)
        run = manifest.start_run("curate", {}, {})
        for name, files in classes.items():
            for rank, data in enumerate(files):
                picture = _picture(name, names.index(name), data, SPLIT_OF[rank % len(SPLIT_OF)])
                pictures.append(picture)
                row = _sighting(picture, class_id=ids[name], run=run)
                keep_picture(dataset, manifest, data, row, size=(16, 16))
        manifest.finish_run(run, "published", {"number": 1})
    facts = {
        "version": version_id(pictures),
        "number": 1,
        "size": 16,
        "class_names": list(names),
        "folders": {name: slug_of(name) for name in names},
        "counts": split_counts(pictures, names),
        "images": len(pictures) + 2,
        "kept": len(pictures),
        "dropped": {"near_duplicate": 2},
        "settings": {"radius": 8},
    }
    folder = dataset.versions / "1"
    for picture, data in zip(pictures, [d for f in classes.values() for d in f], strict=True):
        (folder / picture.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / picture.path).write_bytes(data)
    for name, text in version_texts(pictures, facts | record).items():
        (folder / name).write_bytes(text)
    write_checksums(folder)
    dataset.current.symlink_to("versions/1")
    return dataset


def _picture(name: str, label: int, data: bytes, split: Split) -> PublishedPicture:
    sha256 = hashlib.sha256(data).hexdigest()
    return PublishedPicture(
        picture_path(split, slug_of(name), sha256), label, name, split, sha256, sha256[:12],
        16, 16, f"https://pages.example/{sha256[:6]}", "pages.example", "openverse",
    )  # fmt: skip


def _sighting(picture: PublishedPicture, *, class_id: int, run: int) -> SightingRow:
    return SightingRow(
        engine=picture.engine, class_id=class_id, query="q", rank=0, result_id=picture.sha256,
        page_url=picture.page_url, site=picture.site, licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/", creator='A "B", C',
        sha256=picture.sha256, status="kept", run_id=run, seen_at=TIME,
    )  # fmt: skip


def exported(dataset: Dataset, name: Any, out: Path, **options: Any) -> Outcome:  # noqa: ANN401  any format, any setting
    """Run export."""
    settings = ExportSettings(dataset=dataset.root, format=name, out=out, **options)
    return export(settings=settings, output=Output(quiet=True))


def truth(dataset: Dataset) -> dict[str, list[tuple[str, int]]]:
    """Return split -> sorted (SHA-256 of the file, label) of the published pictures."""
    found: dict[str, list[tuple[str, int]]] = {"train": [], "val": [], "test": []}
    for p in read_pictures(dataset.current):
        data = (dataset.current / p.path).read_bytes()
        found[p.split].append((hashlib.sha256(data).hexdigest(), p.label))
    return {split: sorted(pairs) for split, pairs in found.items()}
