"""Write folders of classes: `<split>/<class>/<file>.jpg`, which every loader reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from curate.export.samples import Version, Written
from sceneset.manifest.rows import SPLITS
from sceneset.versions.published import MANIFEST_NAME, manifest_csv

_HOW = """\
```python
keras.utils.image_dataset_from_directory("train")        # likewise val, test
datasets.load_dataset("imagefolder", data_dir=".")       # Hugging Face
tfds.ImageFolder(".").as_dataset(split="train")          # TensorFlow Datasets
```

Every split has a folder of every class, an empty one where it has no picture: loaders number the
classes by the folders they see. Hubs and git drop empty folders; use Parquet there. `manifest.csv`
has one row per picture; it must not be named `metadata.csv`, or loaders forget the labels.
"""


def folder_names(class_names: Sequence[str], slugs: Mapping[str, str]) -> dict[str, str]:
    """Return class name -> folder, such that folders sort as the labels do.

    Loaders number classes by their sorted folders. Where a class had to get another folder name and
    that would change the order, every folder begins with its label.
    """
    folders = [slugs.get(name, name) for name in class_names]
    if sorted(folders) != folders:
        width = len(str(len(folders) - 1))
        folders = [f"{label:0{width}}_{folder}" for label, folder in enumerate(folders)]
    return dict(zip(class_names, folders, strict=True))


def write(version: Version, folder: Path) -> Written:
    """Write the pictures into folders, class_names.txt and manifest.csv."""
    folders = folder_names(version.class_names, version.record.get("folders", {}))
    pictures = []
    for split in SPLITS:
        for name in folders.values():
            (folder / split / name).mkdir(parents=True)
        for sample, data in version.read(version.samples[split]):
            path = f"{split}/{folders[sample.picture.class_name]}/{Path(sample.picture.path).name}"
            (folder / path).write_bytes(data)
            pictures.append(replace(sample.picture, path=path))
    (folder / "class_names.txt").write_bytes(version.class_lines)
    (folder / MANIFEST_NAME).write_bytes(manifest_csv(pictures))
    return Written(_HOW)
