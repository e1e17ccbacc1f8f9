"""Write TFRecord files in the layout that TensorFlow Datasets opens by its folder, without TensorFlow."""

import json
import re
import struct
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from itertools import islice
from operator import xor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.export.samples import LONG_NAMES, Sample, Version, Written

_POLYNOMIAL = 0x82F63B78  # reflected
_BLOCK = 1024
# Turns a state of 0 into the one a CRC-32C begins with: all bits set.
_START = b"Td\x1fd"
_MASK_DELTA = 0xA282EAD8
_BYTES_LIST, _INT64_LIST = 1, 3
_SIGN = 1 << 64
_Words = NDArray[np.uint32]


@cache
def _table() -> _Words:
    """Return uint32[256]: the state after each byte from the state 0."""
    states: _Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = (states >> np.uint32(1)) ^ (states & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return states


def _advance(states: _Words, columns: NDArray[np.uint8]) -> _Words:
    """Advance uint32[n] states over uint8[steps, n] bytes."""
    table = _table()
    for column in columns:
        states = table[(states ^ column) & 0xFF] ^ (states >> np.uint32(8))
    return states


@cache
def _over_zeros() -> _Words:
    """Return uint32[4, 256]: each byte of a state, by its position, after a block of zeros."""
    states = np.arange(256, dtype=np.uint32) << (8 * np.arange(4, dtype=np.uint32))[:, None]
    zeros = np.zeros((_BLOCK, 1024), np.uint8)
    return _advance(states.ravel(), zeros).reshape(4, 256)


def crc32c(records: Sequence[bytes]) -> list[int]:
    """Return the CRC-32C of each record."""
    started = [_START + record for record in records]
    ends = np.cumsum([-(-len(one) // _BLOCK) for one in started], dtype=np.int64)
    lanes = np.zeros((ends[-1] if records else 0, _BLOCK), np.uint8)
    for one, end in zip(started, ends, strict=True):
        # Zeros before a record leave a state of 0 as it is.
        lanes[:end].reshape(-1)[-len(one) :] = np.frombuffer(one, np.uint8)
    states = _advance(np.zeros(len(lanes), np.uint32), np.ascontiguousarray(lanes.T))
    blocks = np.split(states, ends[:-1]) if records else []
    return [_join(states_of_one) ^ 0xFFFFFFFF for states_of_one in blocks]


def _join(blocks: _Words) -> int:
    """Return the state after blocks that were each advanced from 0."""
    zeros = _over_zeros()
    state = 0
    for block in blocks.tolist():
        carried = (int(zeros[k, state >> 8 * k & 0xFF]) for k in range(4))
        state = reduce(xor, carried, block)
    return state


def masked(crc: int) -> int:
    """Return a CRC as record files store it: rotated right by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def encode_example(features: Mapping[str, bytes | str | int]) -> bytes:
    """Return a tf.train.Example with one value per feature, the names sorted."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, entries)


def _feature(value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return _field(_INT64_LIST, _field(1, _varint(value % _SIGN)))
    return _field(_BYTES_LIST, _field(1, value.encode() if isinstance(value, str) else value))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def frame(records: Sequence[bytes]) -> bytes:
    """Return records as a TFRecord file holds them: length, its checksum, data, its checksum."""
    lengths = [struct.pack("<Q", len(record)) for record in records]
    checks = [struct.pack("<I", masked(crc)) for crc in crc32c([*lengths, *records])]
    of_lengths, of_records = checks[: len(records)], checks[len(records) :]
    parts = zip(lengths, of_lengths, records, of_records, strict=True)
    return b"".join(b"".join(part) for part in parts)


RECORDS_PER_WRITE = 256
_FEATURES = "tensorflow_datasets.core.features"
_INTEGER = {
    "pythonClassName": f"{_FEATURES}.scalar.Scalar",
    "tensor": {"dtype": "int64", "encoding": "none", "shape": {}},
}
_TEXT = {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}
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
        splits.append(
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": LONG_NAMES[split],
                "numBytes": str(written),
                "shardLengths": [str(len(samples)) for samples in shards],
            }
        )
    facts = next(version.all()).facts
    _write_json(folder / "features.json", _features(version, facts))
    _write_json(folder / "dataset_info.json", _info(version, name, splits))
    (folder / "label.labels.txt").write_bytes(version.class_lines)
    first = next(path.name for path in sorted(folder.glob("*.tfrecord-*")))
    return Written(_HOW.format(first=first))


def dataset_name(name: str) -> str:
    """Return a name as TensorFlow Datasets takes them: small letters, digits and underscores."""
    safe = re.sub("[^a-z0-9]+", "_", name.casefold()).strip("_")
    return safe if safe[:1].isalpha() else f"set_{safe}".rstrip("_")


def _write_shard(path: Path, version: Version, samples: Sequence[Sample]) -> int:
    """Write one file of records; return the bytes of its examples."""
    examples = (
        encode_example({"image": data, **sample.facts}) for sample, data in version.read(samples)
    )
    total = 0
    with path.open("wb") as file:
        while batch := list(islice(examples, RECORDS_PER_WRITE)):
            file.write(frame(batch))
            total += sum(map(len, batch))
    return total


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
    features: dict[str, Any] = {
        name: _INTEGER if isinstance(value, int) else _TEXT for name, value in facts.items()
    }
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


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")
