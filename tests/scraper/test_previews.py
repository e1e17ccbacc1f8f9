import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support import draw_jpeg

from scraper.previews import Fetched, data_uri_bytes, fetch, judge

GIF_1X1 = base64.b64decode("R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")


@given(st.binary(max_size=300))
def test_a_data_uri_gives_back_its_bytes_also_with_script_escapes(data: bytes) -> None:
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    assert data_uri_bytes(uri) == data
    assert data_uri_bytes(uri.replace("=", "\\x3d")) == data


@pytest.mark.parametrize(
    "uri", ["data:image/png;base64,@@@", "data:", "nothing", "data:image/png;base64,A"]
)
def test_a_malformed_data_uri_gives_nothing(uri: str) -> None:
    assert data_uri_bytes(uri) is None


def test_sources_are_asked_in_turn_until_one_has_the_bytes() -> None:
    asked: list[str] = []

    def never_heard(url: str) -> Fetched | None:
        asked.append("first")
        return None

    def not_found(url: str) -> Fetched | None:
        asked.append("second")
        return Fetched(None, 404, "http_error")

    def has_it(url: str) -> Fetched | None:
        asked.append("third")
        return Fetched(b"bytes", 200)

    assert fetch("https://t.example/1", (never_heard, not_found, has_it)).data == b"bytes"
    assert asked == ["first", "second", "third"]
    assert fetch("https://t.example/1", (not_found, never_heard)).http_status == 404
    assert fetch("blob:nothing", (has_it,)) == Fetched(None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GIF_1X1, "placeholder"),
        (draw_jpeg(1, (20, 200)), "too_small"),
        (draw_jpeg(1)[:900], "truncated"),
        (b"<!doctype html><title>no</title>", "not_a_picture"),
        (b"", "truncated"),
    ],
    ids=["1x1", "sliver", "cut", "html", "empty"],
)
def test_what_is_no_useful_picture_is_told_with_its_reason(data: bytes, reason: str) -> None:
    judged = judge(data)
    assert judged.header is None
    assert judged.reason == reason


def test_a_good_preview_is_kept_as_it_is() -> None:
    data = draw_jpeg(2)
    judged = judge(data)
    assert judged.data is data
    assert judged.header is not None
    assert judged.header.extension == "jpg"
