"""Write TFRecord files in the layout that TensorFlow Datasets opens by its folder."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from curate.formats.samples import LONG_NAMES, Sample, Version, Written
from curate.formats.tf_example import encode_example, frame

RECORDS_PER_WRITE = 256
_INTEGERS = ("label", "width", "height")
_FEATURES = "tensorflow_datasets.core.features"
_HOW = """\
```python
tfds.builder_from_directory(".").as_dataset(split="train")   # TensorFlow Datasets
tf.data.TFRecordDataset("{first}")                           # tf.train.Example messages
```

Features of each example: `image` (the file's bytes), `label`, and the facts of the picture. Class
names stand in `label.labels.txt`, a line's number from 0 is the label.
"""


def write(version: Version, folder: Path) -> Written:
    """Write the records, features.json, dataset_info.json and label.labels.txt."""
    name = dataset_name(version.name)
    splits = []
    for split in version.used_splits:
        shards = version.shards(split)
        written = 0
        for number, samples in enumerate(shards):
            file = f"{name}-{LONG_NAMES[split]}.tfrecord-{number:05}-of-{len(shards):05}"
            written += _write_shard(folder / file, version, samples)
        splits.append(_split(LONG_NAMES[split], [len(s) for s in shards], written))
    facts = next(version.all()).facts
    _write_json(folder / "features.json", _features(version, facts))
    _write_json(folder / "dataset_info.json", _info(version, name, splits))
    names = "".join(f"{class_name}\n" for class_name in version.class_names)
    (folder / "label.labels.txt").write_text(names, encoding="utf-8")
    first = next(path.name for path in sorted(folder.glob("*.tfrecord-*")))
    return Written(_HOW.format(first=first))


def dataset_name(name: str) -> str:
    """Return a name as TensorFlow Datasets takes them: small letters, digits and underscores."""
    safe = re.sub("[^a-z0-9]+", "_", name.casefold()).strip("_")
    return safe if safe[:1].isalpha() else f"set_{safe}".rstrip("_")


def _write_shard(path: Path, version: Version, samples: Sequence[Sample]) -> int:
    """Write one file of records; return the bytes of its examples."""
    total = 0
    with path.open("wb") as file:
        for examples in _batches(version, samples):
            file.write(frame(examples))
            total += sum(map(len, examples))
    return total


def _batches(version: Version, samples: Sequence[Sample]) -> Iterator[list[bytes]]:
    examples = (
        encode_example({"image": data, **sample.facts}) for sample, data in version.read(samples)
    )
    while batch := list(islice(examples, RECORDS_PER_WRITE)):
        yield batch


def _split(name: str, lengths: Sequence[int], size: int) -> dict[str, Any]:
    return {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": name,
        "numBytes": str(size),
        "shardLengths": [str(length) for length in lengths],
    }


def _info(version: Version, name: str, splits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "description": f"Version {version.number} of {version.name}, id {version.id}.",
        "fileFormat": "tfrecord",
        "name": name,
        "redistributionInfo": {"license": "of each picture: features licence and licence_url"},
        "splits": splits,
        "version": f"{version.number}.0.0",
    }


def _features(version: Version, facts: dict[str, str | int]) -> dict[str, Any]:
    features = {name: _integer() if name in _INTEGERS else _text() for name in facts}
    features["label"] = {
        "classLabel": {"numClasses": str(len(version.class_names))},
        "pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel",
    }
    side = str(version.record["size"])
    features["image"] = {
        "image": {
            "dtype": "uint8",
            "encodingFormat": "png" if version.suffix == ".png" else "jpeg",
            "shape": {"dimensions": [side, side, "3"]},
        },
        "pythonClassName": f"{_FEATURES}.image_feature.Image",
    }
    return {
        "featuresDict": {"features": features},
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
    }


def _integer() -> dict[str, Any]:
    return {
        "pythonClassName": f"{_FEATURES}.scalar.Scalar",
        "tensor": {"dtype": "int64", "encoding": "none", "shape": {}},
    }


def _text() -> dict[str, Any]:
    return {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")
