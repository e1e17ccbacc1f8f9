import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.curate_exports import ODD_NAMES, drawn, exported, publish, truth

from curate.export.formats.imagefolder import folder_names
from curate.export.formats.tfrecord import dataset_name
from curate.export.samples import shard_bounds
from sceneset.class_list import label_order, slug_of
from sceneset.dataset import Dataset

NAMES = list(label_order(ODD_NAMES))
Pairs = dict[str, list[tuple[str, int]]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return publish(tmp_path_factory.mktemp("data") / "odd set", drawn(ODD_NAMES))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_class_folders_hold_every_picture(dataset: Dataset, tmp_path: Path) -> None:
    exported(dataset, "imagefolder", tmp_path / "out")
    for split, pairs in truth(dataset).items():
        folders = sorted(p for p in (tmp_path / "out" / split).iterdir())
        assert [f.name for f in folders] == [slug_of(name) for name in NAMES]
        found = [
            (sha(path.read_bytes()), label)
            for label, folder in enumerate(folders)
            for path in folder.iterdir()
        ]
        assert sorted(found) == pairs
    text = (tmp_path / "out" / "manifest.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert all((tmp_path / "out" / row["path"]).is_file() for row in rows)
    assert not list((tmp_path / "out").rglob("metadata.*"))


def test_a_split_without_a_class_has_its_empty_folder(tmp_path: Path) -> None:
    few = publish(tmp_path / "set", drawn(["A", "B"]) | drawn(["C"], each=1))
    exported(few, "imagefolder", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "test").iterdir()) == ["A", "B", "C"]


@given(st.sets(st.text(st.sampled_from("aB?_ 0é"), min_size=1, max_size=4), min_size=1))
def test_folders_always_sort_as_the_labels(names: set[str]) -> None:
    order = label_order(names)
    folders = folder_names(order, {name: slug_of(name) for name in names})
    assert sorted(folders.values()) == list(folders.values())
    assert len(set(folders.values())) == len(names)


def test_folders_keep_their_names_where_they_can() -> None:
    assert folder_names(["A", "B"], {"A": "A", "B": "B"}) == {"A": "A", "B": "B"}
    assert folder_names(["?", "A"], {"?": "_-1", "A": "A"}) == {"?": "0__-1", "A": "1_A"}


def test_parquet_holds_pictures_labels_and_names(dataset: Dataset, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra formats")
    exported(dataset, "parquet", tmp_path / "out")
    for split, pairs in truth(dataset).items():
        long = {"val": "validation"}.get(split, split)
        table = parquet.read_table(tmp_path / "out" / "data" / f"{long}-00000-of-00001.parquet")
        rows = table.to_pylist()
        assert sorted((sha(r["image"]["bytes"]), r["label"]) for r in rows) == pairs
        assert all(NAMES[row["label"]] == row["class"] for row in rows)
        assert {row["creator"] for row in rows} == {'A "B", C'}
        info = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert info["label"] == {"names": NAMES, "_type": "ClassLabel"}
        assert list(info) == table.column_names
        assert not [f.name for f in table.schema if str(f.type) == "null"]


def test_shards_hold_three_members_per_sample_without_dots(
    dataset: Dataset, tmp_path: Path
) -> None:
    exported(dataset, "webdataset", tmp_path / "out", shard_mb=0.004)
    assert len(list((tmp_path / "out").glob("train-*.tar"))) > 1
    for split, pairs in truth(dataset).items():
        samples: dict[str, dict[str, bytes]] = {}
        for path in sorted((tmp_path / "out").glob(f"{split}-*.tar")):
            with tarfile.open(path) as tar:
                for member in tar:
                    key, ending = member.name.split(".", 1)
                    samples.setdefault(key, {})[ending] = tar.extractfile(member).read()  # type: ignore[union-attr]
        assert {frozenset(s) for s in samples.values()} == {frozenset({"jpg", "cls", "json"})}
        assert list(samples) == sorted(samples)
        assert sorted((sha(s["jpg"]), int(s["cls"])) for s in samples.values()) == pairs
        facts = [json.loads(s["json"]) for s in samples.values()]
        assert all(f["class"] == NAMES[f["label"]] for f in facts)


def test_croissant_joins_pictures_and_rows(dataset: Dataset, tmp_path: Path) -> None:
    exported(dataset, "croissant", tmp_path / "out")
    data = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    assert data["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    table, images = data["distribution"]
    text = (tmp_path / "out" / table["contentUrl"]).read_bytes()
    assert sha(text) == table["sha256"]
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    files = {path.name: path for path in (tmp_path / "out").glob(images["includes"])}
    assert sorted(files) == sorted(row["file_name"] for row in rows)
    found: Pairs = {"train": [], "val": [], "test": []}
    for row in rows:
        path = files[row["file_name"]]
        assert path.parent.name == row["split"]
        found[row["split"]].append((sha(path.read_bytes()), int(row["label"])))
    assert {split: sorted(pairs) for split, pairs in found.items()} == truth(dataset)
    classes, pictures = data["recordSet"]
    assert [row["classes/name"] for row in classes["data"]] == NAMES
    columns = {f["source"]["extract"].get("column") for f in pictures["field"][1:]}
    assert columns <= set(rows[0])


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_shards_are_full_and_in_order(sizes: list[int], limit: int) -> None:
    bounds = shard_bounds(sizes, limit)
    assert [n for start, end in bounds for n in range(start, end)] == list(range(len(sizes)))
    for start, end in bounds:
        assert end - start == 1 or sum(sizes[start:end]) <= limit
    for start, end in bounds[:-1]:
        assert sum(sizes[start : end + 1]) > limit


@pytest.mark.parametrize(
    ("name", "safe"), [("scenes", "scenes"), ("My Set-2", "my_set_2"), ("36", "set_36"), ("é", "set")]
)  # fmt: skip
def test_a_name_becomes_one_that_tensorflow_datasets_takes(name: str, safe: str) -> None:
    assert dataset_name(name) == safe
