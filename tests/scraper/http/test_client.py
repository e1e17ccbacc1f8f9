import gzip
import socket
import tracemalloc
from time import monotonic, sleep

import pytest
from support.downloads import QUICK, answering, drips, fetch, pours, says

from scraper.http.client import Downloader, Limits
from scraper.http.previews import judge
from scraper.reader import Fetched


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"",
    ],
    ids=["body", "endless body", "header", "status line"],
)
def test_a_server_that_drips_ends_within_the_whole_deadline(head: bytes) -> None:
    with answering(drips(head)) as (url, _):
        began = monotonic()
        assert fetch(url).reason == "timeout"
        assert monotonic() - began < 2 * QUICK.whole_s


def test_a_server_that_drips_its_part_of_a_handshake_ends_there_too() -> None:
    with answering(drips(b"\x16\x03\x03\x40\x00\x02\x00\x3f\x00")) as (url, _):
        began = monotonic()
        assert fetch(url.replace("http:", "https:")).reason == "timeout"
        assert monotonic() - began < 2 * QUICK.whole_s


def test_a_connection_that_is_used_again_is_under_the_deadline_too() -> None:
    def first_quick_then_slow(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.recv(65536)
        drips(b"HTTP/1.1 200 OK\r\n\r\n")(connection)

    with answering(first_quick_then_slow) as (url, _):
        download = Downloader("test", allow_private=True, limits=QUICK)
        assert download(url).data == b"ok"
        began = monotonic()
        assert download(url).reason == "timeout"
        assert monotonic() - began < 2 * QUICK.whole_s
        download.close()


def test_a_server_that_says_nothing_is_a_timeout() -> None:
    with answering(lambda _connection: sleep(0.9)) as (url, _):
        assert fetch(url) == Fetched(None, None, "timeout")


def test_a_huge_answer_stops_one_byte_after_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n"
    with answering(pours(head, b"x" * 65536, 3000)) as (url, _):
        assert len(fetch(url).data or b"") == QUICK.max_bytes + 1


def test_more_bytes_than_a_picture_may_have_are_judged_too_large() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n"
    with answering(pours(head, b"x" * 1_000_000, 200)) as (url, _):
        tracemalloc.start()
        data = fetch(url, limits=Limits()).data
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert data is not None
    assert judge(data).reason == "too_large"
    assert peak < 32_000_000


def test_a_gzip_bomb_that_nobody_asked_for_is_never_unpacked_whole() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    with answering(says(bomb, "200 OK", "Content-Encoding: gzip")) as (url, _):
        tracemalloc.start()
        data = fetch(url).data
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(data or b"") == QUICK.max_bytes + 1
    assert peak < 4_000_000


def test_compressed_bytes_that_nobody_asked_for_are_unpacked() -> None:
    body = gzip.compress(b"a picture")
    with answering(says(body, "200 OK", "Content-Encoding: GZIP")) as (url, _):
        assert fetch(url).data == b"a picture"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"a picture", mtime=0)[:-12], "gzip"),
        (b"no gzip", "gzip"),
        (b"?", "br"),
        (b"?", "gzip, gzip"),
    ],
)
def test_an_encoding_that_cannot_be_undone_is_an_error(body: bytes, encoding: str) -> None:
    with answering(says(body, "200 OK", f"Content-Encoding: {encoding}")) as (url, _):
        assert fetch(url).reason == "http_error"


def test_an_answer_that_ends_too_soon_is_an_error() -> None:
    with answering(pours(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", b"x", 1)) as (url, _):
        assert fetch(url).reason == "http_error"


def test_chunks_are_put_together() -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with answering(pours(body, b"", 1)) as (url, _):
        assert fetch(url).data == b"abcde"
