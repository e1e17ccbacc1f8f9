"""Folders as people have them: deep, linked in circles, half of it unreadable."""

import os
from pathlib import Path

import pytest

from sceneset.files.folders import files_below, passed_over_line


def test_files_at_any_depth_come_sorted_and_the_rest_is_counted(tmp_path: Path) -> None:
    place = tmp_path
    for depth in range(40):
        place = place / f"folder {depth:02d}"
        place.mkdir()
        (place / "IMG.jpg").write_bytes(b"x")
    (place / "circle").symlink_to(tmp_path)
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "same.jpg").symlink_to(place / "IMG.jpg")
    os.mkfifo(tmp_path / "pipe")
    files, passed = files_below(tmp_path)
    assert files == sorted(tmp_path.rglob("*.jpg"))
    assert len(files) == 41
    assert passed == {"link to a folder": 1, "link that leads nowhere": 1, "pipe or device": 1}
    assert passed_over_line(passed) == [
        "passed over: 1 link that leads nowhere; 1 link to a folder; 1 pipe or device"
    ]


def test_nothing_passed_over_is_no_line() -> None:
    assert passed_over_line({}) == passed_over_line({"link to a folder": 0}) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    assert files_below(tmp_path)[1] == {"folder that cannot be read": 1}


def test_a_folder_that_is_none_is_counted(tmp_path: Path) -> None:
    assert files_below(tmp_path / "none") == ([], {"folder that cannot be read": 1})
