"""`--allow-origin` takes what browsers send as Origin, and compares it as they write it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from support.served_model import RED, Client

from sceneset.errors import SettingsError
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
EXTENSION = "chrome-extension://abcdefghijklmnop"


def normal(*origins: str) -> tuple[str, ...]:
    return ServeSettings(allow_origin=origins).allow_origin


@pytest.mark.parametrize(
    "origin",
    ["example.org", "https://example.org/", "ftp://a.b", "", "**", "Null", "file://", "https://",
     "https://a.b:99999", "https://[::1", "https://[1:2]", "https://a..b", "a-extension://", "https://a b",
     f"https://{'a' * 64}.b\u00e9"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="is no origin"):
        normal("https://a.example:8443", origin)


def test_all_origins_and_those_without_a_name_are_taken() -> None:
    extension = "moz-extension://0a1b2c3d-0000-4000-8000-000000000000"
    assert normal("*", "null", EXTENSION, extension) == ("*", "null", EXTENSION, extension)


def test_an_origin_is_kept_as_a_browser_writes_it() -> None:
    given = ("https://Gallery.Example", "HTTPS://g.example:443", "http://h.example:080",
             "https://h.example:08443", "http://h.example:443", "http://[0:0:0:0:0:0:0:1]:80",
             "https://b\u00fccher.example")  # fmt: skip
    kept = ("https://gallery.example", "https://g.example", "http://h.example",
            "https://h.example:8443", "http://h.example:443", "http://[::1]",
            "https://xn--bcher-kva.example")  # fmt: skip
    assert normal(*given) == kept
    assert normal(*kept) == kept


@pytest.mark.parametrize(
    ("given", "origin"),
    [("https://Gallery.Example:443", "https://gallery.example"), ("null", "null"),
     (EXTENSION, EXTENSION), ("*", "https://any.example")],
)  # fmt: skip
def test_a_listed_origin_may_post_and_read_the_answer(
    serve: Serve, model: Path, given: str, origin: str
) -> None:
    base = ServeSettings(model=model, workers=1, watch=0)
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    with serve(replace(base, allow_origin=(given,))) as client:
        answer = client.post("/v1/classify", RED, headers)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] in {origin, "*"}
        other = client.post("/v1/classify", RED, headers | {"Origin": "https://other.example"})
        assert other.status == (200 if given == "*" else 403)
