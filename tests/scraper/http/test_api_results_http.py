import json
from collections.abc import Callable

import pytest
from support.api_results import ENGINE, harvested, page

from scraper.gallery.origin import Answer as Served
from scraper.gallery.origin import Origin, Request, serving
from scraper.http.client import ApiReader, BoundedSession, Limits, user_agent
from scraper.http.ssrf import Guard
from scraper.reader import Unreachable


def session(user_agent: str, limits: Limits | None = None) -> BoundedSession:
    return BoundedSession(user_agent, "gzip", Guard(allow_private=True), limits)


def served(respond: Callable[[Request], Served]) -> Origin:
    return Origin(0, respond)


def test_it_reads_a_real_server_with_a_name_it_can_be_known_by() -> None:
    def respond(request: Request) -> Served:
        number = int(request.query.get("page", "1"))
        return Served(page(number, 2, f"{request.query['q']}{number}").data, "application/json")

    with serving(served(respond)) as origin:
        client = session(user_agent("me@example.org"))
        reader = ApiReader(ENGINE, client, wait=lambda: None, sleep=lambda _: None)
        url = ENGINE.search_url("a b", template=origin.url + "/?q={query}")
        assert reader.open(url) == "results"
        assert harvested(reader) == ("end of results", ["a b1", "a b2"])
        assert [request.target for request in origin.requests] == ["/?q=a+b", "/?q=a+b&page=2"]
        reader.close()


@pytest.mark.parametrize(
    "answer",
    [
        Served(b"x" * 50, "application/json", drips=True),
        Served(b"{}", "application/json", wait_s=None),
    ],
    ids=["drips", "silent"],
)
def test_a_real_server_that_is_too_slow_is_unreachable(answer: Served) -> None:
    with serving(served(lambda _call: answer)) as origin:
        client = session("test", Limits(read_s=0.8, whole_s=0.5))
        reader = ApiReader(ENGINE, client, wait=lambda: None, sleep=lambda _: None)
        with pytest.raises(Unreachable, match=r"too long|too slow"):
            reader.open(origin.url)
        reader.close()


def test_an_answer_beyond_the_limit_is_no_json() -> None:
    body = json.dumps({"results": ["x" * 5000]}).encode()
    with serving(served(lambda _call: Served(body, "application/json"))) as origin:
        client = session("test", Limits(max_bytes=1000))
        reader = ApiReader(ENGINE, client, wait=lambda: None, sleep=lambda _: None)
        assert reader.open(origin.url) == "layout unknown"
        assert len(reader.snapshot()[0]) == 1001
        reader.close()


def test_nothing_answers_at_a_closed_port() -> None:
    client = session("test")
    reader = ApiReader(ENGINE, client, wait=lambda: None, sleep=lambda _: None)
    with pytest.raises(Unreachable):
        reader.open("http://127.0.0.1:1/?q=x")
    reader.close()


def test_the_user_agent_names_the_tool_its_version_and_a_contact() -> None:
    tool, rest = user_agent("https://example.org/me").split(" ", 1)
    assert tool.startswith("sceneset/")
    contact, library = rest.rsplit(" ", 1)
    assert contact == "(https://example.org/me)"
    assert library.startswith("requests/2.")
    assert "(no contact given)" in user_agent(None)
