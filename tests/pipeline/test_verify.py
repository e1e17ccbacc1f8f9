import shutil
from pathlib import Path

import pytest
from export_support import drawn, exported, publish

from curate.forget_rows import ForgettingManifest
from curate.forget_target import Target
from pipeline.dataset import Dataset
from pipeline.errors import DamagedDataError
from pipeline.manifest import Manifest
from pipeline.progress import Outcome, Output
from pipeline.published import read_pictures
from pipeline.settings import DatasetSettings
from pipeline.verify import verify


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return publish(tmp_path / "set", drawn("AB"))


def verified(dataset: Dataset) -> Outcome:
    return verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))


def only_buried(dataset: Dataset) -> str:
    """Take a picture out of the manifest alone, as a forget that is killed does."""
    sha256 = read_pictures(dataset.current)[0].sha256
    target = Target(sha256=sha256)
    with ForgettingManifest(dataset.manifest_path) as manifest:
        manifest.forget(target, manifest.find(target), "", concerned=())
    return sha256


def test_a_picture_forgotten_in_the_manifest_alone_is_a_problem(dataset: Dataset) -> None:
    assert verified(dataset).exit_code == 0
    sha256 = only_buried(dataset)
    outcome = verified(dataset)
    assert outcome.exit_code == DamagedDataError.exit_code
    assert outcome.cure == "run the same forget again"
    assert outcome.summary["problems"] == [
        f"raw/ still holds {sha256}, which is forgotten",
        f"version 1 still holds {sha256}, which is forgotten",
    ]


def test_a_forgotten_picture_in_a_version_that_cannot_be_read_is_a_problem(
    dataset: Dataset,
) -> None:
    sha256 = only_buried(dataset)
    shutil.copytree(dataset.versions / "1", dataset.versions / "7")
    (dataset.versions / "7" / "manifest.csv").unlink()
    problems = verified(dataset).summary["problems"]
    assert f"version 7 still holds {sha256}, which is forgotten" in problems  # type: ignore[operator]


def test_a_version_that_still_holds_a_forgotten_picture_is_not_exported(
    dataset: Dataset, tmp_path: Path
) -> None:
    only_buried(dataset)
    with pytest.raises(DamagedDataError, match="which is forgotten") as caught:
        exported(dataset, "webdataset", tmp_path / "out")
    assert caught.value.cure == "run the same forget again"
    assert not (tmp_path / "out").exists()
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.runs("export") == []
