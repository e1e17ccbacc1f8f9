from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.urls import host_key, host_of, page_key, with_parents

PAGE = "https://example.org/a/b"
ESCAPES = ["%", "%%34%31", "%2541", "%zz"]
SEGMENTS = st.lists(st.text("abcXYZ059-._~é日 %", min_size=1, max_size=6), max_size=3)
ADDRESSES = st.builds(
    lambda host, port, path, query, tail: f"http://{host}{port}{path}{query}{tail}",
    st.sampled_from(["example.org", "EXAMPLE.org", "b\xfccher.example", "10.0.0.1", "[::1]"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.one_of(
        SEGMENTS.map(lambda names: "".join(f"/{quote(name)}" for name in names)),
        st.sampled_from(ESCAPES).map(lambda escape: f"/{escape}"),
    ),
    st.sampled_from(["", "?", "?a=1&b=%2f", "?q=caf\xe9"]),
    st.sampled_from(["", "#part", "#/route", "#!/route"]),
)


@pytest.mark.parametrize(
    "spelt",
    [
        "http://example.org/a/b",
        "HTTPS://Example.ORG/a/b",
        "https://example.org./a/b",
        "https://example.org:443/a/b",
        "http://example.org:80/a/b",
        "https://example.org/a/b/",
        "https://example.org/a/b#top",
        "https://example.org/a/b?",
        "https://example.org/%61/%62",
        " https://example.org/a/b\n",
    ],
)
def test_spellings_of_one_page_are_one(spelt: str) -> None:
    assert page_key(spelt) == page_key(PAGE) == PAGE


@pytest.mark.parametrize(
    "other",
    [
        "https://example.org/a/B",
        "https://example.org/a",
        "https://example.org/a/b?x=1",
        "https://www.example.org/a/b",
        "https://example.org:8443/a/b",
        "http://example.org:443/a/b",
        "https://example.org/a%2Fb",
        "https://example.org/a/b#!/other",
        "ftp://example.org/a/b",
        "https://user@example.org/a/b",
    ],
)
def test_another_page_stays_another(other: str) -> None:
    assert page_key(other) != page_key(PAGE)


def test_letters_beyond_ascii_are_one_with_their_escapes() -> None:
    assert page_key("http://x.org/caf\xe9 1?q=\xe9") == page_key(
        "https://x.org/caf%c3%A9%201?q=%C3%a9"
    )
    assert page_key("https://b\xfccher.example/") == page_key("https://xn--bcher-kva.example")
    assert page_key("https://x.org/100%") == page_key("https://x.org/100%25")


@given(ADDRESSES)
def test_a_key_is_its_own_key(address: str) -> None:
    assert page_key(page_key(address)) == page_key(address)


@given(ADDRESSES)
def test_neither_scheme_nor_case_of_the_host_matters(address: str) -> None:
    rest = address.removeprefix("http://").removeprefix("EXAMPLE.org").removeprefix("example.org")
    assert page_key(address) == page_key(address.replace("http:", "HTTP:"))
    assert page_key(f"http://EXAMPLE.org{rest}") == page_key(f"http://example.org{rest}")
    if ":80" not in rest and ":443" not in rest:
        assert page_key(f"https://example.org{rest}") == page_key(f"http://example.org{rest}")


@given(SEGMENTS, SEGMENTS)
def test_paths_that_differ_stay_different(first: list[str], second: list[str]) -> None:
    keys = [page_key("https://x.org" + "".join(f"/{quote(n)}" for n in p)) for p in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(st.text(max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    key = page_key(text)
    assert page_key(key) == key
    assert host_key(host_of(text)) == host_key(host_key(host_of(text)))


@pytest.mark.parametrize("odd", ["", "a.b", "http://[bad/x", "http://x.org:99999/", "http://"])
def test_what_is_no_address_is_left_as_it_is(odd: str) -> None:
    assert page_key(odd) == odd


def test_a_file_is_a_page_too() -> None:
    assert page_key("file:///tmp/a%20b.jpg") == page_key("file:///tmp/a b.jpg")


def test_the_domains_above_a_host_go_with_it() -> None:
    assert with_parents("a.b.c") == {"a.b.c", "b.c", "c"}
    assert with_parents("") == {""}
