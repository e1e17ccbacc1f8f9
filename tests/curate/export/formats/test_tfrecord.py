import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.curate_exports import ODD_NAMES, drawn, exported, publish, truth

from curate.export.formats.tfrecord import crc32c, encode_example, frame, masked
from sceneset.class_list import label_order

Library = Any  # loaded by a fixture, as it takes seconds


@pytest.fixture(name="tf", scope="module")
def _tensorflow() -> Library:
    return pytest.importorskip("tensorflow")


def slow_crc32c(data: bytes) -> int:
    """Compute it bit by bit, as the definition says."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, crc: int) -> None:
    assert crc32c([data]) == [crc]


@settings(deadline=None)  # the tables are made once
@given(st.lists(st.binary(max_size=40) | st.binary(min_size=1020, max_size=2060), max_size=6))
def test_checksums_are_those_of_the_definition(records: list[bytes]) -> None:
    assert crc32c(records) == [slow_crc32c(record) for record in records]


def test_masking_turns_and_adds() -> None:
    assert masked(0) == 0xA282EAD8
    assert masked(0xFFFFFFFF) == 0xA282EAD7


@pytest.mark.train
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.binary(max_size=300) | st.text(max_size=9) | st.integers(-(2**63), 2**63 - 1),
        max_size=4,
    )
)
def test_tensorflow_decodes_examples(tf: Library, features: dict[str, bytes | str | int]) -> None:
    example = tf.train.Example.FromString(encode_example(features))
    found = {
        name: feature.int64_list.value[0]
        if feature.WhichOneof("kind") == "int64_list"
        else feature.bytes_list.value[0]
        for name, feature in example.features.feature.items()
    }
    plain = {k: v.encode() if isinstance(v, str) else v for k, v in features.items()}
    assert found == plain


@pytest.mark.train
def test_tensorflow_reads_the_records_and_their_checksums(tf: Library, tmp_path: Path) -> None:
    records = [b"", b"a", bytes(5000), b"\xff" * 1024]
    (tmp_path / "r").write_bytes(frame(records))
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(tmp_path / "r"))] == records
    damaged = bytearray((tmp_path / "r").read_bytes())
    damaged[-10] ^= 1
    (tmp_path / "r").write_bytes(damaged)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(tmp_path / "r")))


@pytest.mark.train
def test_tensorflow_finds_every_picture_and_label(tf: Library, tmp_path: Path) -> None:
    dataset = publish(tmp_path / "odd set", drawn(ODD_NAMES))
    exported(dataset, "tfrecord", tmp_path / "out", shard_mb=0.004)
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    lengths = {s["name"]: list(map(int, s["shardLengths"])) for s in info["splits"]}
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    for split, pairs in truth(dataset).items():
        long = {"val": "validation"}.get(split, split)
        files = sorted((tmp_path / "out").glob(f"odd_set-{long}.tfrecord-*"))
        read = [list(tf.data.TFRecordDataset(str(file))) for file in files]
        assert [len(rows) for rows in read] == lengths[long]
        parsed = [tf.io.parse_single_example(row, features) for rows in read for row in rows]
        found = [(hashlib.sha256(p["image"].numpy()).hexdigest(), int(p["label"])) for p in parsed]
        assert sorted(found) == pairs
    names = (tmp_path / "out" / "label.labels.txt").read_text(encoding="utf-8").splitlines()
    assert names == list(label_order(ODD_NAMES))


@pytest.mark.train
def test_keras_numbers_the_classes_of_every_split_alike(tf: Library, tmp_path: Path) -> None:
    few = publish(tmp_path / "set", drawn(["dog", "Café"]) | drawn(["Beach"], each=1))
    exported(few, "imagefolder", tmp_path / "out")
    for split, pairs in truth(few).items():
        rows = tf.keras.utils.image_dataset_from_directory(
            str(tmp_path / "out" / split), shuffle=False, batch_size=1, verbose=False
        )
        assert rows.class_names == ["Beach", "Café", "dog"]
        assert sorted(int(label[0]) for _, label in rows) == sorted(label for _, label in pairs)
