from pathlib import Path

import pytest

from sceneset.dataset import Dataset, create_dataset, next_version, prepare_versions, run_lock
from sceneset.errors import LockedError, MissingInputError, UsageError


def test_a_data_set_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        create_dataset(tmp_path / "file")
    with pytest.raises(UsageError, match="is a file"):
        create_dataset(tmp_path / "file" / "set")


def test_a_data_set_that_is_not_there_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as missing:
        Dataset.open(tmp_path / "none")
    assert "sceneset scrape" in missing.value.cure


def test_one_run_at_a_time_and_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    refused = pytest.raises(LockedError, match="in use by scrape")
    with run_lock(tmp_path, "scrape"), refused, run_lock(tmp_path, "curate"):
        pass
    with run_lock(tmp_path, "curate"):
        assert (tmp_path / ".lock").read_text().startswith("curate")


def test_versions_count_up_and_halves_are_swept(tmp_path: Path) -> None:
    assert next_version(tmp_path / "none") == 1
    for name in ("1", "2", "10", ".part-3", "notes"):
        (tmp_path / name).mkdir()
    assert prepare_versions(tmp_path) == 11
    assert not (tmp_path / ".part-3").exists()
