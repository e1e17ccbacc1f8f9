import os
from pathlib import Path

import pytest

from serving.commands.classify import find_sources, printable_name


def names(*words: str) -> list[str]:
    return [source.name for source in find_sources(words)[0] if source.path]


def test_a_folder_gives_its_pictures_at_any_depth_in_order(pictures: Path) -> None:
    assert names(str(pictures)) == [
        str(pictures / "a.png"),
        str(pictures / "b.png"),
        str(pictures / "deep" / "c.PNG"),
    ]


def test_a_named_file_is_taken_whatever_its_extension(pictures: Path) -> None:
    assert names(str(pictures / "notes.txt")) == [str(pictures / "notes.txt")]


def test_a_glob_gives_what_it_matches_also_at_depth(pictures: Path) -> None:
    assert names(f"{pictures}/*.png") == [str(pictures / "a.png"), str(pictures / "b.png")]
    assert names(f"{pictures}/**/*.PNG") == [str(pictures / "deep" / "c.PNG")]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").write_bytes(b"1")
    (tmp_path / "a1.png").write_bytes(b"2")
    assert names(str(tmp_path / "a[1].png")) == [str(tmp_path / "a[1].png")]


@pytest.mark.parametrize("word", ["empty", "x*.png"])
def test_a_word_that_names_no_picture_says_so(tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()
    (source,), _passed = find_sources([str(tmp_path / word)])
    assert source.path is None
    assert source.problem


def test_an_empty_word_is_not_this_folder() -> None:
    (source,), _passed = find_sources([""])
    assert (source.path, source.problem) == (None, "the name is empty")


def test_what_a_folder_holds_beside_is_counted(pictures: Path) -> None:
    (pictures / "a.explained.jpg").write_bytes(b"x")
    (pictures / "IMG_1.HEIC").write_bytes(b"x")
    sources, passed = find_sources([str(pictures), f"{pictures}/*.jpg"])
    assert str(pictures / "IMG_1.HEIC") in [source.name for source in sources]
    assert passed == {"without a picture's ending": 1, "written by --explain": 2}


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(path)).write_bytes(b"x")
    (name,) = names(str(tmp_path))
    assert name.encode().endswith("caf\N{REPLACEMENT CHARACTER}.png".encode())
    assert printable_name("plain") == "plain"


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (source,), _passed = find_sources([str(tmp_path / "pipe")])
    assert (source.path, source.problem) == (None, "is a pipe or a device, no picture file")
