"""What published files may say of where a picture comes from."""

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.manifest.provenance import file_url, published_page, source_of
from sceneset.urls import page_key

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: name not in {".", ".."})


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, min_size=2, max_size=4))
def test_an_adopted_file_is_published_as_its_path_in_the_folder_just_that(
    outside: list[str], inside: list[str]
) -> None:
    folder = Path("/", *outside)
    url = file_url(folder.joinpath(*inside), folder)
    assert published_page(url) == "/".join(inside)
    assert page_key(url) == page_key(folder.joinpath(*inside).as_uri())


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, min_size=2, max_size=4))
def test_an_address_of_an_earlier_release_tells_nothing_from_outside_the_folder(
    outside: list[str], inside: list[str]
) -> None:
    told = published_page(Path("/", *outside, *inside).as_uri())
    assert PurePosixPath(told) == PurePosixPath(*inside[-2:])


def test_a_folder_named_relative_to_here_and_a_name_that_is_no_text_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = file_url(Path("Beach") / os.fsdecode(b"caf\xe9.jpg"), Path())
    assert unquote(url).startswith(f"file://{tmp_path}/Beach/")
    assert published_page(url) == r"Beach/caf\xe9.jpg"


@pytest.mark.parametrize("url", ["https://a.org/b#file:///x", "", "Beach/a#1.jpg", "file:/a.jpg"])
def test_every_other_page_stays_as_it_is(url: str) -> None:
    assert published_page(url) == url


@pytest.mark.parametrize(
    ("engine", "settings", "words"),
    [
        ("folder", {"folder": "/home/me"}, "adopted from a folder"),
        ("google", {"search_url": None}, "found through google"),
        ("openverse", {}, "found through openverse"),
        (
            "google",
            {"search_url": "http://me:secret@127.0.0.1:8099/private/s?key=1&q={query}"},
            "found in google results as served by http://127.0.0.1:8099",
        ),
    ],
)
def test_a_source_is_named_truly_and_without_what_is_private(
    engine: str, settings: dict[str, object], words: str
) -> None:
    assert source_of(engine, settings) == words
