import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawing import draw_jpeg

from sceneset.images import MAX_BYTES
from scraper.http.previews import data_uri_bytes, fetch, judge
from scraper.reader import Fetched

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


class Asked:
    """A source with one answer; it counts how often it is asked."""

    def __init__(self, answer: Fetched | None) -> None:
        self.answer = answer
        self.times = 0

    def __call__(self, url: str) -> Fetched | None:
        self.times += 1
        return self.answer


BYTES = Fetched(b"bytes", 200)
URL = "https://t.example/1"


def test_sources_are_asked_in_turn_until_one_has_the_bytes() -> None:
    never_heard, nothing, first, second = (
        Asked(None),
        Asked(Fetched(None)),
        Asked(BYTES),
        Asked(BYTES),
    )
    assert fetch(URL, (never_heard, nothing, first, second)) == BYTES
    assert [s.times for s in (never_heard, nothing, first, second)] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    "answer",
    [
        Fetched(None, 404, "http_error"),
        Fetched(None, None, "http_error"),
        Fetched(None, 200, "timeout"),
        Fetched(None, 200, "too_large"),
    ],
)
def test_an_address_that_failed_is_not_asked_for_again(answer: Fetched) -> None:
    again = Asked(BYTES)
    assert fetch(URL, (Asked(answer), again)) == answer
    assert again.times == 0


def test_an_address_that_no_source_knows_has_no_bytes() -> None:
    assert fetch(URL, (Asked(None),)) == Fetched(None, None, "no_bytes")


@pytest.mark.parametrize(
    "src", ["blob:https://x.example/1", "", "file:///etc/passwd", "/thumb/1.jpg"]
)
def test_only_addresses_of_the_web_are_asked_for(src: str) -> None:
    source = Asked(BYTES)
    assert fetch(src, (source,)) == Fetched(None)
    assert source.times == 0


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


def test_a_picture_over_the_size_limit_is_refused_undecoded() -> None:
    data = draw_jpeg(1)
    judged = judge(data + bytes(MAX_BYTES))
    assert (judged.header, judged.reason) == (None, "too_large")


def test_a_good_preview_is_kept_as_it_is() -> None:
    data = draw_jpeg(2)
    judged = judge(data)
    assert judged.data is data
    assert judged.header is not None
    assert judged.header.extension == "jpg"
