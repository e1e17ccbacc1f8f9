"""Pages of other sites cannot use the server; programs and our own page can."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from starlette.datastructures import Headers
from support.served_model import FORM, RED, Client, b64, form

from serving.http.errors import HTTPError
from serving.http.middleware import check_host, check_origin, is_loopback
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
PNG = {"Content-Type": "image/png"}
EVIL = "https://evil.example"


def origin_passes(headers: Mapping[str, str], *trusted: str, method: str = "POST") -> bool:
    try:
        check_origin(method, Headers(dict(headers)), trusted)
    except HTTPError:
        return False
    return True


def host_passes(host: str, bound: str = "127.0.0.1", *trusted: str) -> bool:
    try:
        check_host(host, bound, trusted)
    except HTTPError:
        return False
    return True


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example"},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
        {"origin": "https://scenes.example", "host": "scenes.example:443"},
        {"origin": "http://Scenes.example", "host": "scenes.example"},
        {"origin": "https://behind.example", "host": "x", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_programs_and_our_own_page_may_post(headers: Mapping[str, str]) -> None:
    assert origin_passes(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL, "host": "127.0.0.1:8000"},
        {"origin": "null", "host": "127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:9000", "host": "127.0.0.1:8000"},
        {"origin": "http://[bad", "host": "127.0.0.1:8000"},
        {"origin": "", "host": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://a", "host": "a", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_may_not_post(headers: Mapping[str, str]) -> None:
    assert not origin_passes(headers)
    assert origin_passes(headers, method="GET")  # a link to the page; answers stay unread
    assert origin_passes(headers, "*")


def test_a_listed_origin_may_post_and_only_that_one() -> None:
    listed = {"origin": EVIL, "host": "127.0.0.1", "sec-fetch-site": "cross-site"}
    assert origin_passes(listed, EVIL)
    assert not origin_passes(listed, f"{EVIL}:8443")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST.", "[::1]:8000", "[::1]", "", "box",
     "box:8000", "a.localhost", "10.0.0.7"],
)  # fmt: skip
def test_names_that_nobody_else_owns_are_taken(host: str) -> None:
    assert host_passes(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example:80"]
)  # fmt: skip
def test_names_that_somebody_may_have_pointed_here_are_refused(host: str) -> None:
    assert not host_passes(host)
    assert host_passes(host, "127.0.0.1", "*")


def test_the_bound_name_and_those_of_listed_origins_are_taken() -> None:
    assert host_passes("my.box.example:8000", "My.box.example")
    assert host_passes("scenes.example", "127.0.0.1", "https://scenes.example:8443")
    assert [is_loopback(one) for one in ("127.3.2.1", "::1", "10.0.0.1", "box", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@given(st.text(max_size=30), st.text(max_size=30))
@budget(max_examples=100, deadline=None)
def test_any_text_is_let_through_or_refused(origin: str, host: str) -> None:
    origin_passes({"origin": origin.encode().decode("latin-1"), "host": "127.0.0.1"})
    host_passes(host)


def test_no_simple_request_of_another_page_stores_feedback_or_classifies(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "feedback.jsonl"
    with serve(ServeSettings(model=model, feedback=file, workers=1, watch=0)) as client:
        for foreign in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            plain = {"Content-Type": "text/plain"} | foreign
            for path, body, headers, shape in (
                ("/v1/feedback?label=blue", RED, plain, "title"),
                ("/v1/explain", form({"a": ("a", RED)}), FORM | foreign, "title"),
                ("/classify", b64(RED).encode(), plain, "detail"),
                ("/v2/models/colours/infer", b"{}", plain, "error"),
            ):
                answer = client.post(path, body, headers)
                assert answer.status == 403, path
                assert shape in answer.json
                assert "x-request-id" in answer.headers
        assert not file.exists()
        ours = {"Origin": f"http://127.0.0.1:{client.port}"}
        assert client.post("/v1/feedback?label=blue", RED, PNG | ours).status == 200
        assert 'reason="foreign_origin"' in client.get("/metrics").body.decode()


def test_a_strange_name_is_refused_on_loopback_unless_its_origin_is_listed_or_keys_are_asked(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("open-sesame\n")
    base = ServeSettings(model=model, workers=1, watch=0)
    for settings, status in (
        (base, 421),
        (replace(base, allow_origin=("https://scenes.example",)), 200),
        (replace(base, api_key_file=keys), 200),
        (replace(base, host="0.0.0.0"), 421),  # noqa: S104  the tests listen on loopback all the same
        (replace(base, host="::"), 421),
    ):
        with serve(settings) as client:
            answer = client.get("/", {"Host": "scenes.example"})
            assert answer.status == status
            assert client.get("/", {"Host": f"localhost:{client.port}"}).status == 200
