import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.bounded_http import BoundedSession, Limits, NoAnswer
from scraper.download import Downloader
from scraper.guarded_connection import Guard
from scraper.previews import Fetched, judge
from scraper.public_address import is_private_site, is_public

QUICK = Limits(connect_s=0.5, read_s=0.6, whole_s=0.8, max_bytes=100_000)
Handle = Callable[[socket.socket], None]


@contextmanager
def answering(*handles: Handle) -> Iterator[tuple[str, list[bytes]]]:
    """Serve raw sockets: the n-th connection is handled by the n-th function, then the last."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    asked.append(connection.recv(65536))
                    handles[min(len(asked), len(handles)) - 1](connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/p.jpg", asked
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def says(body: bytes, status: str = "200 OK", *headers: str) -> Handle:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return lambda connection: connection.sendall(head + body)


def drips(head: bytes) -> Handle:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(200):
            connection.sendall(b"a")
            sleep(0.05)

    return drip


def pours(head: bytes, chunk: bytes, times: int) -> Handle:
    def pour(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(times):
            connection.sendall(chunk)

    return pour


def fetch(url: str, **more: object) -> Fetched:
    options: dict[str, object] = {"allow_private": True, "limits": QUICK} | more
    download = Downloader("test", **options)  # type: ignore[arg-type]
    try:
        return download(url)
    finally:
        download.close()


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
        (gzip.compress(b"a picture")[:-12], "gzip"),
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


def test_a_status_that_is_no_picture_is_told() -> None:
    with answering(says(b"gone", "404 Not Found")) as (url, _):
        assert fetch(url) == Fetched(None, 404, "http_error")


def test_three_redirects_are_followed_and_no_fourth() -> None:
    again = says(b"", "302 Found", "Location: /next")
    with answering(again, again, again, says(b"there")) as (url, asked):
        assert fetch(url).data == b"there"
        assert len(asked) == 4
    with answering(again) as (url, asked):
        assert fetch(url) == Fetched(None, 302, "http_error")
        assert len(asked) == 4


def test_the_body_of_a_redirect_is_not_read() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 200000000\r\n\r\n"
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
    with answering(says(b"", "302 Found", f"Location: {target}"), says(b"", "404 No")) as (url, _):
        answer = fetch(url)
    assert answer.data is None
    assert answer.reason == "http_error"


def test_only_addresses_of_the_web_are_asked() -> None:
    session = BoundedSession("test", "identity", Guard(allow_private=True), QUICK)
    with pytest.raises(NoAnswer, match="leads to 'file:///etc/passwd'"):
        session.get("file:///etc/passwd")
    session.close()


def test_a_public_page_leads_to_no_private_address() -> None:
    with answering(says(b"secret")) as (url, asked):
        assert fetch(url, allow_private=False) == Fetched(None, None, "http_error")
        assert asked == []


def lying_resolver(*answers: str) -> Callable[..., list[tuple[object, ...]]]:
    told = list(answers)

    def resolve(host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        address = told.pop(0) if len(told) > 1 else told[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return resolve


def test_a_name_that_changes_its_mind_reaches_only_what_was_checked() -> None:
    with answering(says(b"secret")) as (url, asked):
        port = url.split(":")[2].split("/")[0]
        resolve = lying_resolver("8.8.8.8", "127.0.0.1")
        guard = Guard(allow_private=False, resolve=resolve)
        assert guard.addresses("rebinding.example", 80) == ["8.8.8.8"]
        session = BoundedSession("test", "identity", guard, QUICK)
        with pytest.raises(NoAnswer, match="not on the public internet"):
            session.get(f"http://rebinding.example:{port}/")
        session.close()
        assert asked == []


def test_the_name_goes_into_each_request_and_the_checked_address_is_connected_to() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    second: list[bytes] = []

    def twice(connection: socket.socket) -> None:
        connection.sendall(answer)
        second.append(connection.recv(65536))
        connection.sendall(answer)

    with answering(twice) as (url, asked):
        port = url.split(":")[2].split("/")[0]
        guard = Guard(allow_private=True, resolve=lying_resolver("127.0.0.1"))
        session = BoundedSession("test", "identity", guard, QUICK)
        for _ in range(2):
            assert session.get(f"http://picture.example:{port}/").data == b"ok"
        session.close()
        for request in (*asked, *second):
            assert f"Host: picture.example:{port}\r\n".encode() in request
        assert (len(asked), len(second)) == (1, 1)


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


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@127.0.0.1:1/x", "http://127.0.0.1:0/", "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/", "http://[::1]:1/", "http://[::1", "http://[fe80::1%25lo]:1/",
        "http://127.0.0.1:1/%zz%00%ff", "http://127.0.0.1:1/\r\nX: 1", "http://\x00/", "http://",
        "http://bücher.invalid/", "http://xn--a.invalid/", "http://" + "a" * 70 + ".invalid/",
        "http://a..b/", "http://*.invalid/", "http://.../", "file:///etc/passwd", "//x", "",
    ],
)  # fmt: skip
def test_an_odd_address_is_an_error_and_no_crash(url: str) -> None:
    assert fetch(url).data is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_address_whatsoever_is_answered(text: str) -> None:
    assert fetch("http://127.0.0.1:1/" + text).data is None
    assert fetch(text).data is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_answer_whatsoever_never_raises(answer: bytes, whole: bool) -> None:  # noqa: FBT001
    head = b"HTTP/1.1 200 OK\r\n" if whole else b""
    with answering(pours(head + answer, b"", 1)) as (url, _):
        assert fetch(url).reason in {"http_error", "timeout", "no_bytes"}


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.9",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0",
        "fc00::1", "ff02::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
        "2001:0:808:808:0:0:80ff:fffe", "no address",
    ],
)  # fmt: skip
def test_what_is_not_public_is_told(address: str) -> None:
    assert not is_public(address)


def test_a_site_on_this_machine_is_private_and_an_unknown_one_is_not() -> None:
    assert is_private_site("http://127.0.0.1:8099/search?q={query}")
    assert is_private_site("http://localhost/")
    assert is_private_site("http://0x7f000001/")
    assert not is_private_site("http://x.example/", lying_resolver("8.8.8.8"))
    assert not is_private_site("http://")
    assert not is_private_site("http://[")
