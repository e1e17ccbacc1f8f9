import json
from pathlib import Path

import pytest

from sceneset.bundle.reader import open_bundle
from sceneset.checksums import hash_files
from sceneset.errors import DamagedDataError, MissingInputError

NESTED = "saved_model/1/variables/variables.index"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle with a file three folders deep."""
    folder = tmp_path / "m" / "1"
    (folder / NESTED).parent.mkdir(parents=True)
    (folder / NESTED).write_bytes(b"weights")
    (folder / "class_names.json").write_text('["a", "b"]')
    (folder / "preprocess.json").write_text(json.dumps({"size": 32, "fit": "crop"}))
    record = {"format": 1, "files": hash_files(folder, without="bundle.json")}
    (folder / "bundle.json").write_text(json.dumps(record))
    return folder


def test_a_whole_bundle_is_opened_whatever_a_file_manager_left(bundle: Path) -> None:
    (bundle / "saved_model" / ".DS_Store").write_bytes(b"icons")
    assert open_bundle(bundle).class_names == ("a", "b")


def test_a_file_altered_at_any_depth_is_refused(bundle: Path) -> None:
    (bundle / NESTED).write_bytes(b"weightz")
    with pytest.raises(DamagedDataError, match=r"variables\.index is not the file"):
        open_bundle(bundle)


def test_a_file_that_is_gone_is_refused(bundle: Path) -> None:
    (bundle / NESTED).unlink()
    with pytest.raises(DamagedDataError, match=r"variables\.index is missing"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["model.tflite", "saved_model/1/saved_model.pb"])
def test_a_file_that_the_export_did_not_write_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"strange")
    with pytest.raises(DamagedDataError, match="was added"):
        open_bundle(bundle)


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', '{"files": {}}'])
def test_a_record_that_says_nothing_is_damaged(bundle: Path, text: str) -> None:
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(DamagedDataError):
        open_bundle(bundle)


@pytest.mark.parametrize("text", ['["a", "a"]', '["a", ""]', "[]", '"ab"', '["a", 1]', "{"])
def test_class_names_that_name_no_classes_are_damage(bundle: Path, text: str) -> None:
    (bundle / "class_names.json").write_text(text)
    record = {"format": 1, "files": hash_files(bundle, without="bundle.json")}
    (bundle / "bundle.json").write_text(json.dumps(record))
    with pytest.raises(DamagedDataError, match="class_names"):
        open_bundle(bundle)


def test_a_folder_without_a_record_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no bundle"):
        open_bundle(tmp_path)
