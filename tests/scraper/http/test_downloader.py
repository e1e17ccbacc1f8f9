import socket
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.downloads import QUICK, answering, fetch, pours, says

from scraper.http.client import Downloader
from scraper.reader import Fetched


def test_a_preview_comes_as_it_is_with_the_readers_user_agent() -> None:
    with answering(says(b"bytes")) as (url, asked):
        assert fetch(url) == Fetched(b"bytes", 200)
    assert b"User-Agent: test\r\n" in asked[0]
    assert b"Accept-Encoding: identity\r\n" in asked[0]
    assert b"Cookie" not in asked[0]


def test_no_cookie_is_sent_back() -> None:
    with answering(says(b"1", "200 OK", "Set-Cookie: id=1; Path=/"), says(b"2")) as (url, asked):
        download = Downloader("test", allow_private=True, limits=QUICK)
        assert [download(url).data, download(url).data] == [b"1", b"2"]
        download.close()
    assert b"Cookie" not in asked[1]


def test_a_connection_is_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def twice(connection: socket.socket) -> None:
        connection.sendall(answer)
        assert connection.recv(65536).startswith(b"GET /second")
        connection.sendall(answer)

    with answering(twice, says(b"a new connection")) as (url, _):
        download = Downloader("test", allow_private=True, limits=QUICK)
        assert [download(url).data, download(url + "/../second").data] == [b"ok", b"ok"]
        download.close()


def test_a_status_that_is_no_picture_is_told() -> None:
    with answering(says(b"gone", "404 Not SearchResult")) as (url, _):
        assert fetch(url) == Fetched(None, 404, "http_error")


def test_three_redirects_are_followed_and_no_fourth() -> None:
    again = says(b"", "302 SearchResult", "Location: /next")
    with answering(again, again, again, says(b"there")) as (url, asked):
        assert fetch(url).data == b"there"
        assert len(asked) == 4
    with answering(again) as (url, asked):
        assert fetch(url) == Fetched(None, 302, "http_error")
        assert len(asked) == 4


def test_the_body_of_a_redirect_is_not_read() -> None:
    head = b"HTTP/1.1 302 SearchResult\r\nLocation: /next\r\nContent-Length: 200000000\r\n\r\n"
    with answering(pours(head, b"x" * 1000, 200_000), says(b"there")) as (url, _):
        began = monotonic()
        assert fetch(url).data == b"there"
        assert monotonic() - began < QUICK.whole_s


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "data:image/png;base64,AAAA", "javascript:1", "//",
     "http://[", "http://a b/", "http://127.0.0.1:99999/", "\x01"],
)  # fmt: skip
def test_a_redirect_to_something_else_is_not_followed(target: str) -> None:
    with answering(says(b"", "302 SearchResult", f"Location: {target}"), says(b"", "404 No")) as (
        url,
        _,
    ):
        answer = fetch(url)
    assert answer.data is None
    assert answer.reason == "http_error"


def test_patience_that_is_asked_for_is_had_once_and_not_for_ever() -> None:
    slept: list[float] = []
    later = says(b"", "429 Too Many Requests", "Retry-After: 3600")
    with answering(later, says(b"ok")) as (url, _):
        assert fetch(url, sleep=slept.append).data == b"ok"
    assert slept == [30]
    with answering(says(b"", "503 Busy", "Retry-After: 7")) as (url, asked):
        assert fetch(url, sleep=slept.append) == Fetched(None, 503, "http_error")
        assert len(asked) == 2
    assert slept == [30, 7]


def test_a_refusal_without_a_time_is_not_asked_again() -> None:
    with answering(says(b"", "429 Too Many Requests")) as (url, asked):
        assert fetch(url, sleep=lambda _: pytest.fail("slept")).http_status == 429
        assert len(asked) == 1


def test_a_pace_is_kept_before_each_request() -> None:
    paced: list[int] = []
    with answering(says(b"", "503 Busy", "Retry-After: 0"), says(b"ok")) as (url, _):
        fetch(url, sleep=lambda _: None, before_request=lambda: paced.append(1))
    assert paced == [1, 1]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_answer_whatsoever_never_raises(answer: bytes, whole: bool) -> None:  # noqa: FBT001
    head = b"HTTP/1.1 200 OK\r\n" if whole else b""
    with answering(pours(head + answer, b"", 1)) as (url, _):
        assert fetch(url).reason in {"http_error", "timeout", "no_bytes"}
