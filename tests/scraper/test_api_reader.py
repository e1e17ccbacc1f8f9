import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.api_reader import ApiReader, HttpClient, user_agent
from scraper.bounded_http import Answer, Limits, NoAnswer
from scraper.engines.api import ApiEngine, Pages
from scraper.engines.wikimedia_commons import WIKIMEDIA_COMMONS
from scraper.found import Found
from scraper.gallery.origin import Answer as Served
from scraper.gallery.origin import Call, Origin, serving
from scraper.harvest import Refused, TryLater, Unreachable, harvest

ENGINE = ApiEngine(
    name="example",
    template="https://api.example/?q={query}",
    terms="be kind",
    results="results",
    fields={"result_id": ("id",), "src": ("thumb",)},
    paging=Pages(parameter="page", number="page", count="pages", most=12),
)
URL = "https://api.example/?q=beach"


def page(number: int, pages: int, *names: str) -> Answer:
    results = [{"id": name, "thumb": f"https://t.example/{name}"} for name in names]
    body = {"page": number, "pages": pages, "results": results}
    return Answer(200, json.dumps(body).encode())


class Playback:
    """A client that plays back answers and failures in their order; the last one repeats."""

    user_agent = "test"

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.closed = False

    def get(self, url: str) -> Answer:
        self.asked.append(url)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class Waits:
    """Count the pauses between pages, and note the naps."""

    def __init__(self) -> None:
        self.pauses = 0
        self.naps: list[float] = []

    def wait(self) -> None:
        self.pauses += 1


def reader_of(
    *answers: Answer | NoAnswer, engine: ApiEngine = ENGINE
) -> tuple[ApiReader, Playback, Waits]:
    client, waits = Playback(*answers), Waits()
    return ApiReader(engine, client, wait=waits.wait, nap=waits.naps.append), client, waits


def harvested(reader: ApiReader, wanted: int = 1000) -> tuple[str, list[str]]:
    names: list[str] = []

    def keep(found: tuple[Found, ...]) -> int:
        names.extend(f.result_id for f in found)
        return wanted - len(names)

    ticks = iter(range(10**6))
    reason = harvest(reader, keep, lambda: next(ticks), 10**5, bool)
    return reason, names


def test_all_pages_are_read_one_after_another_at_the_pace() -> None:
    reader, client, waits = reader_of(page(1, 3, "a", "b"), page(2, 3, "c"), page(3, 3, "d"))
    assert reader.open(URL) == "results"
    assert harvested(reader) == ("end of results", ["a", "b", "c", "d"])
    assert client.asked == [URL, URL + "&page=2", URL + "&page=3"]
    assert waits.pauses == 2


def test_no_page_is_asked_for_when_enough_is_there() -> None:
    reader, client, _ = reader_of(page(1, 9, "a", "b"), page(2, 9, "c"))
    reader.open(URL)
    assert harvested(reader, wanted=2) == ("target reached", ["a", "b"])
    assert len(client.asked) == 1


def test_an_honest_answer_without_results_is_no_block() -> None:
    reader, _, _ = reader_of(page(1, 0))
    assert reader.open(URL) == "nothing found"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_a_block(status: int) -> None:
    reader, _, _ = reader_of(Answer(status, b'{"detail": "no"}'))
    assert reader.open(URL) == "blocked"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_tried_later_when_it_says(status: int) -> None:
    reader, _, _ = reader_of(Answer(status, b"", "17"), Answer(status, b"", None), page(1, 1, "a"))
    with pytest.raises(TryLater) as asked:
        reader.open(URL)
    assert asked.value.seconds == 17
    with pytest.raises(TryLater) as asked:
        reader.open(URL)
    assert asked.value.seconds == 0
    assert reader.open(URL) == "results"


def test_who_is_asked_for_patience_again_and_again_is_blocked() -> None:
    reader, _, _ = reader_of(Answer(429, b"", "1"))
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)
    assert reader.open(URL) == "blocked"


def test_patience_is_counted_anew_after_an_answer() -> None:
    busy = Answer(429, b"", "1")
    reader, _, _ = reader_of(busy, busy, page(1, 1, "a"), busy, busy)
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)
    assert reader.open(URL) == "results"
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)


def test_a_lagging_wiki_is_tried_later() -> None:
    lag = Answer(200, b'{"error": {"code": "maxlag", "lag": 7}}', "5")
    reader, _, _ = reader_of(lag, engine=WIKIMEDIA_COMMONS)
    with pytest.raises(TryLater) as asked:
        reader.open(WIKIMEDIA_COMMONS.address("beach"))
    assert asked.value.seconds == 5


@pytest.mark.parametrize(
    "answer", [NoAnswer("nothing there", "http_error"), Answer(500, b""), Answer(502, b"<html>")]
)
def test_a_server_that_fails_is_unreachable(answer: Answer | NoAnswer) -> None:
    reader, _, _ = reader_of(answer)
    with pytest.raises(Unreachable):
        reader.open(URL)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(200, b'{"results": [{"id": "a"}]}'),
        Answer(200, b"[" * 100_000),
        Answer(200, b'{"results": \xff}'),
        Answer(404, b"gone"),
        Answer(302, b""),
    ],
)
def test_an_answer_that_is_made_otherwise_is_kept_for_whoever_mends_it(answer: Answer) -> None:
    reader, _, _ = reader_of(answer)
    assert reader.open(URL) == "layout unknown"
    assert reader.snapshot() == (answer.data.decode("utf-8", "replace"), b"")


def test_a_page_that_fails_in_between_is_tried_again() -> None:
    busy = Answer(429, b"", "7")
    gone = NoAnswer("slow", "timeout")
    reader, client, waits = reader_of(page(1, 2, "a"), busy, gone, page(2, 2, "b"))
    reader.open(URL)
    assert harvested(reader) == ("end of results", ["a", "b"])
    assert client.asked[1:] == [URL + "&page=2"] * 3
    assert (waits.pauses, waits.naps) == (3, [7])


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"{"), NoAnswer("x", "timeout")],
)
def test_a_page_that_fails_for_good_is_a_stall_and_keeps_what_there_is(
    answer: Answer | NoAnswer,
) -> None:
    reader, client, waits = reader_of(page(1, 2, "a"), answer)
    reader.open(URL)
    assert harvested(reader) == ("stalled", ["a"])
    assert len(client.asked) < 8
    assert max(waits.naps, default=0) <= 60


@pytest.mark.parametrize("answer", [Answer(429, b"", "99999"), Answer(403, b""), Answer(401, b"")])
def test_a_refusal_in_the_middle_is_raised_after_what_there_is(answer: Answer) -> None:
    reader, client, waits = reader_of(page(1, 2, "a"), answer)
    reader.open(URL)
    assert [found.result_id for found in reader.stretch().found] == ["a"]
    with pytest.raises(Refused):
        for _ in range(4):
            reader.stretch()
    assert len(client.asked) <= 4
    assert max(waits.naps, default=0) <= 60


def test_results_that_come_again_are_reported_once() -> None:
    reader, _, _ = reader_of(page(1, 2, "a", "b", "a"), page(2, 2, "b", "c"))
    reader.open(URL)
    assert harvested(reader) == ("end of results", ["a", "b", "c"])


def test_an_api_that_never_ends_is_given_up() -> None:
    reader, client, _ = reader_of(page(1, 12, "a"))
    reader.open(URL)
    assert harvested(reader)[1] == ["a"]
    assert len(client.asked) < 40


def test_an_answer_that_names_itself_as_the_next_is_the_last() -> None:
    info = {"thumburl": "https://t.example/1"}
    body = {
        "query": {"pages": [{"pageid": 1, "imageinfo": [info]}]},
        "continue": {"gsroffset": 50},
    }
    reader, client, _ = reader_of(Answer(200, json.dumps(body).encode()), engine=WIKIMEDIA_COMMONS)
    reader.open(WIKIMEDIA_COMMONS.address("beach"))
    assert harvested(reader) == ("end of results", ["1"])
    assert len(client.asked) == 2


def test_after_the_end_there_is_nothing() -> None:
    reader, client, _ = reader_of(page(1, 1, "a"))
    reader.open(URL)
    assert reader.stretch().found
    last = reader.stretch()
    assert (last.found, last.end_shown, last.at_bottom) == ((), True, True)
    assert len(client.asked) == 1


def test_a_reader_starts_afresh_with_every_address() -> None:
    reader, _, _ = reader_of(page(1, 1, "a"))
    for _ in range(2):
        reader.open(URL)
        assert [found.result_id for found in reader.stretch().found] == ["a"]


def test_it_has_no_bytes_and_closes_its_client() -> None:
    reader, client, _ = reader_of(page(1, 1, "a"))
    assert reader.body("https://t.example/a") is None
    assert reader.user_agent == "test"
    reader.close()
    assert client.closed


@given(st.integers(100, 599), st.binary(max_size=60), st.none() | st.text(max_size=20))
def test_any_answer_whatsoever_raises_only_what_is_documented(
    status: int, data: bytes, retry: str | None
) -> None:
    reader, _, _ = reader_of(Answer(status, data, retry))
    try:
        state = reader.open(URL)
    except (TryLater, Unreachable):
        return
    assert state in {"blocked", "layout unknown"}
    assert reader.stretch().found == ()


def served(respond: Callable[[Call], Served]) -> Origin:
    return Origin(0, respond)


def test_it_reads_a_real_server_with_a_name_it_can_be_known_by() -> None:
    def respond(call: Call) -> Served:
        number = int(call.query.get("page", "1"))
        return Served(page(number, 2, f"{call.query['q']}{number}").data, "application/json")

    with serving(served(respond)) as origin:
        client = HttpClient(user_agent("me@example.org"), allow_private=True)
        reader = ApiReader(ENGINE, client, wait=lambda: None, nap=lambda _: None)
        url = ENGINE.address("a b", template=origin.url + "/?q={query}")
        assert reader.open(url) == "results"
        assert harvested(reader) == ("end of results", ["a b1", "a b2"])
        assert [request.path for request in origin.requests] == ["/?q=a+b", "/?q=a+b&page=2"]
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
        client = HttpClient("test", allow_private=True, limits=Limits(read_s=0.8, whole_s=0.5))
        reader = ApiReader(ENGINE, client, wait=lambda: None, nap=lambda _: None)
        with pytest.raises(Unreachable, match=r"too long|too slow"):
            reader.open(origin.url)
        reader.close()


def test_an_answer_beyond_the_limit_is_no_json() -> None:
    body = json.dumps({"results": ["x" * 5000]}).encode()
    with serving(served(lambda _call: Served(body, "application/json"))) as origin:
        client = HttpClient("test", allow_private=True, limits=Limits(max_bytes=1000))
        reader = ApiReader(ENGINE, client, wait=lambda: None, nap=lambda _: None)
        assert reader.open(origin.url) == "layout unknown"
        assert len(reader.snapshot()[0]) == 1001
        reader.close()


def test_nothing_answers_at_a_closed_port() -> None:
    client = HttpClient("test", allow_private=True)
    reader = ApiReader(ENGINE, client, wait=lambda: None, nap=lambda _: None)
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
