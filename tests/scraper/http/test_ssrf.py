import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.downloads import QUICK, answering, fetch, lying_resolver, says

from scraper.http.client import BoundedSession, NoAnswer
from scraper.http.ssrf import Guard, is_private_site, is_public
from scraper.reader import Fetched


def test_only_addresses_of_the_web_are_asked() -> None:
    session = BoundedSession("test", "identity", Guard(allow_private=True), QUICK)
    with pytest.raises(NoAnswer, match="leads to 'file:///etc/passwd'"):
        session.get("file:///etc/passwd")
    session.close()


def test_a_public_page_leads_to_no_private_address() -> None:
    with answering(says(b"secret")) as (url, asked):
        assert fetch(url, allow_private=False) == Fetched(None, None, "http_error")
        assert asked == []


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
