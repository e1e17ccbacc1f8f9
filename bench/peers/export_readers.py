"""Read an export with a peer's own loader; runs in that peer's environment, without sceneset.

Prints one JSON object: the class names in the loader's order, and per split a list of
[SHA-256 of the picture's bytes, label].

    python bench/peers/export_readers.py READER FOLDER
"""

# ruff: noqa: PLC0415  each loader is installed only in its own environment

import hashlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

OURS = {"validation": "val"}
SPLITS = {"train": "train", "val": "validation", "test": "test"}
Read = dict[str, Any]
COLOUR_RANK = 3


def require(holds: object, what: str) -> None:
    """Raise ValueError unless something holds."""
    if not holds:
        raise ValueError(what)


def digest(data: bytes) -> str:
    """Return the SHA-256 of a picture's bytes."""
    return hashlib.sha256(data).hexdigest()


def in_datasets(folder: Path, *words: str, image: str = "image", label: str = "label") -> Read:
    """Read with the Hugging Face library: `load_dataset` is given a builder, or only the folder."""
    from datasets import Image, load_dataset

    options = {"data_dir": str(folder)} if words else {}
    loaded = load_dataset(*(words or (str(folder),)), cache_dir=str(folder) + "-cache", **options)
    splits = {}
    for name, rows in loaded.items():
        raw = rows.cast_column(image, Image(decode=False))
        splits[OURS.get(name, name)] = [
            [digest(row[image]["bytes"] or Path(row[image]["path"]).read_bytes()), row[label]]
            for row in raw
        ]
        for row in rows:
            row[image].load()  # it decodes too
    feature = next(iter(loaded.values())).features[label]
    return {"class_names": getattr(feature, "names", None), "splits": splits}


def datasets_imagefolder(folder: Path) -> Read:
    """Read class folders."""
    return in_datasets(folder, "imagefolder")


def datasets_parquet(folder: Path) -> Read:
    """Read Parquet as from the hub: only the folder is named, the card must be right."""
    return in_datasets(folder)


def datasets_webdataset(folder: Path) -> Read:
    """Read shards."""
    return in_datasets(folder, "webdataset", image="jpg", label="cls")


def webdataset_shards(folder: Path) -> Read:
    """Read shards with WebDataset itself."""
    import webdataset

    splits = {}
    for split in SPLITS:
        shards = [str(path) for path in sorted(folder.glob(f"{split}-*.tar"))]
        if shards:
            rows = webdataset.WebDataset(shards, shardshuffle=False).to_tuple("jpg", "cls", "json")
            splits[split] = [[digest(jpg), int(cls)] for jpg, cls, _ in rows]
    return {"class_names": None, "splits": splits}


def tfds_tfrecord(folder: Path) -> Read:
    """Read records as a prepared data set."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(folder))
    splits = {}
    for name in builder.info.splits:
        rows = builder.as_dataset(split=name, decoders={"image": tfds.decode.SkipDecoding()})
        splits[OURS.get(name, name)] = [
            [digest(row["image"].numpy()), int(row["label"])] for row in rows
        ]
        for row in builder.as_dataset(split=name).take(2):
            require(row["image"].shape.rank == COLOUR_RANK, "a picture does not decode")
    return {"class_names": builder.info.features["label"].names, "splits": splits}


def tfds_imagefolder(folder: Path) -> Read:
    """Read class folders with TensorFlow Datasets."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds.ImageFolder(str(folder))
    splits = {}
    for name in SPLITS:  # this builder decodes; the files it names are what it has read
        rows = list(builder.as_dataset(split=name))
        splits[name] = [
            [digest(tf.io.read_file(row["image/filename"]).numpy()), int(row["label"])]
            for row in rows
        ]
    return {"class_names": builder.info.features["label"].names, "splits": splits}


def tfdata_tfrecord(folder: Path) -> Read:
    """Read records with tf.data alone, which checks every checksum."""
    import tensorflow as tf

    shape = {"image": tf.io.FixedLenFeature([], tf.string)}
    shape["label"] = tf.io.FixedLenFeature([], tf.int64)
    splits = {}
    for split, name in SPLITS.items():
        files = sorted(map(str, folder.glob(f"*-{name}.tfrecord-*")))
        rows = [tf.io.parse_single_example(r, shape) for r in tf.data.TFRecordDataset(files)]
        splits[split] = [[digest(row["image"].numpy()), int(row["label"])] for row in rows]
    names = (folder / "label.labels.txt").read_text(encoding="utf-8").splitlines()
    return {"class_names": names, "splits": splits}


def keras_imagefolder(folder: Path) -> Read:
    """Read class folders with Keras; the labels are those that its batches hold."""
    import keras

    splits, names = {}, []
    for split in SPLITS:
        rows = keras.utils.image_dataset_from_directory(
            str(folder / split), shuffle=False, batch_size=1, image_size=(32, 32), verbose=False
        )
        labels = [int(label[0]) for _, label in rows]
        files = [digest(Path(path).read_bytes()) for path in rows.file_paths]
        splits[split] = [list(pair) for pair in zip(files, labels, strict=True)]
        names.append(rows.class_names)
    require(all(one == names[0] for one in names), "splits number the classes otherwise")
    return {"class_names": names[0], "splits": splits}


def mlcroissant_croissant(folder: Path) -> Read:
    """Iterate over the records; `validate` alone would notice little."""
    import mlcroissant
    from PIL import Image

    data = mlcroissant.Dataset(str(folder / "croissant.json"))
    issues = data.metadata.ctx.issues
    require(not issues.errors and not issues.warnings, issues.report())
    names: dict[int, str] = {}
    for row in data.records("classes"):
        names[int(row["classes/label"])] = _text(row["classes/name"])
    splits: dict[str, list[Any]] = {}
    for row in data.records("pictures"):
        split = _text(row["pictures/split"])
        # The loader gives pixels; the file that its row names must decode to the same.
        data = (folder / "images" / split / _text(row["pictures/file_name"])).read_bytes()
        decoded = Image.open(io.BytesIO(data)).convert("RGB")
        require(row["pictures/image"] == decoded, "a picture is not that of its row")
        splits.setdefault(split, []).append([digest(data), int(row["pictures/label"])])
    return {
        "class_names": [names[label] for label in sorted(names)],
        "splits": splits,
    }


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


READERS: dict[str, Callable[[Path], Read]] = {
    reader.__name__: reader
    for reader in (
        datasets_imagefolder, datasets_parquet, datasets_webdataset, webdataset_shards,
        tfds_imagefolder, tfds_tfrecord, tfdata_tfrecord, keras_imagefolder, mlcroissant_croissant,
    )
}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](Path(sys.argv[2]))))
