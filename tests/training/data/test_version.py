import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError, MissingInputError
from sceneset.images import load_square
from sceneset.versions.published import COLUMNS
from training.data.version import picture_batches, read_version

HEADER = f"{','.join(COLUMNS)}\n"


def test_a_version_is_read_as_it_was_published(drawn: Path) -> None:
    version = read_version(Dataset(drawn))
    assert version.class_names == ("Disc", "Frame <b>&", "Stripes")
    assert {split: len(rows) for split, rows in version.splits.items()} == {
        "train": 180,
        "val": 36,
        "test": 24,
    }
    assert np.bincount(version.labels("test")).tolist() == [8, 8, 8]
    assert all(path.is_file() for path in version.paths("train"))


def test_classes_without_pictures_are_named(publish: Callable[..., Path]) -> None:
    root = publish({"Disc": {"train": 2, "test": 1}, "Stripes": {"train": 1}})
    version = read_version(Dataset(root))
    assert version.classes_without("train") == ["Frame <b>&"]
    assert version.classes_without("test") == ["Frame <b>&", "Stripes"]


def test_nothing_published_names_the_command_that_publishes(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        read_version(Dataset(tmp_path))
    assert caught.value.cure == f"sceneset curate --dataset {tmp_path}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dataset.json", "{"),
        ("dataset.json", "{}"),
        ("manifest.csv", f"{HEADER}x,0,Stripes,train,00,,9,9,,,\n"),
        ("manifest.csv", f"{HEADER}x,0,Disc,elsewhere,00,,9,9,,,\n"),
        ("manifest.csv", f"{HEADER}x,9,Disc,train,00,,9,9,,,\n"),
        ("manifest.csv", "path,class\nx,Disc\n"),
    ],
)
def test_a_damaged_record_is_named(publish: Callable[..., Path], name: str, text: str) -> None:
    root = publish({"Disc": {"train": 1}})
    (root / "curated" / "current" / name).write_text(text)
    with pytest.raises(DamagedDataError, match="versions/1"):
        read_version(Dataset(root))


def test_a_label_is_the_position_in_the_record_of_names(publish: Callable[..., Path]) -> None:
    root = publish({"Disc": {"train": 1}})
    path = root / "curated" / "current" / "dataset.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"class_names": ["Stripes", "Disc"]}))
    with pytest.raises(DamagedDataError, match="label 0 is 'Stripes', not 'Disc'"):
        read_version(Dataset(root))


def test_batches_hold_every_picture_once_in_order(drawn: Path) -> None:
    paths = read_version(Dataset(drawn)).paths("val")
    expected = np.stack([load_square(path.read_bytes(), 32) for path in paths])
    sizes = [len(batch) for batch in picture_batches(paths, 32, batch=10)]
    assert sizes == [10, 10, 10, 6]
    assert np.array_equal(np.concatenate(list(picture_batches(paths, 32, batch=10))), expected)


def test_a_published_picture_that_is_lost_is_damage_unless_asked_otherwise(drawn: Path) -> None:
    paths = [*read_version(Dataset(drawn)).paths("val")[:3], drawn / "lost.jpg"]
    with pytest.raises(DamagedDataError, match=r"lost\.jpg"):
        list(picture_batches(paths, 32))
    lost: list[Path] = []
    (batch,) = picture_batches(paths, 32, broken=lambda path, _error: lost.append(path))
    assert len(batch) == 3
    assert lost == [drawn / "lost.jpg"]
