import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_results import URL, page, reader_of

from scraper.engines.wikimedia_commons import WIKIMEDIA_COMMONS
from scraper.http.client import HttpResponse, NoAnswer
from scraper.reader import TryLater, Unreachable


def test_an_honest_answer_without_results_is_no_block() -> None:
    reader, _, _ = reader_of(page(1, 0))
    assert reader.open(URL) == "nothing found"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_a_block(status: int) -> None:
    reader, _, _ = reader_of(HttpResponse(status, b'{"detail": "no"}'))
    assert reader.open(URL) == "blocked"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_tried_later_when_it_says(status: int) -> None:
    reader, _, _ = reader_of(
        HttpResponse(status, b"", "17"), HttpResponse(status, b"", None), page(1, 1, "a")
    )
    with pytest.raises(TryLater) as asked:
        reader.open(URL)
    assert asked.value.seconds == 17
    with pytest.raises(TryLater) as asked:
        reader.open(URL)
    assert asked.value.seconds == 0
    assert reader.open(URL) == "results"


def test_who_is_asked_for_patience_again_and_again_is_blocked() -> None:
    reader, _, _ = reader_of(HttpResponse(429, b"", "1"))
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)
    assert reader.open(URL) == "blocked"


def test_patience_is_counted_anew_after_an_answer() -> None:
    busy = HttpResponse(429, b"", "1")
    reader, _, _ = reader_of(busy, busy, page(1, 1, "a"), busy, busy)
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)
    assert reader.open(URL) == "results"
    for _ in range(2):
        with pytest.raises(TryLater):
            reader.open(URL)


def test_a_lagging_wiki_is_tried_later() -> None:
    lag = HttpResponse(200, b'{"error": {"code": "maxlag", "lag": 7}}', "5")
    reader, _, _ = reader_of(lag, engine=WIKIMEDIA_COMMONS)
    with pytest.raises(TryLater) as asked:
        reader.open(WIKIMEDIA_COMMONS.search_url("beach"))
    assert asked.value.seconds == 5


@pytest.mark.parametrize(
    "answer",
    [NoAnswer("nothing there", "http_error"), HttpResponse(500, b""), HttpResponse(502, b"<html>")],
)
def test_a_server_that_fails_is_unreachable(answer: HttpResponse | NoAnswer) -> None:
    reader, _, _ = reader_of(answer)
    with pytest.raises(Unreachable):
        reader.open(URL)


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, b"<html>"),
        HttpResponse(200, b'{"results": [{"id": "a"}]}'),
        HttpResponse(200, b"[" * 100_000),
        HttpResponse(200, b'{"results": \xff}'),
        HttpResponse(404, b"gone"),
        HttpResponse(302, b""),
    ],
)
def test_an_answer_that_is_made_otherwise_is_kept_for_whoever_mends_it(
    answer: HttpResponse,
) -> None:
    reader, _, _ = reader_of(answer)
    assert reader.open(URL) == "layout unknown"
    assert reader.snapshot() == (answer.data.decode("utf-8", "replace"), b"")


def test_a_reader_starts_afresh_with_every_address() -> None:
    reader, _, _ = reader_of(page(1, 1, "a"))
    for _ in range(2):
        reader.open(URL)
        assert [r.result_id for r in reader.next_batch().results] == ["a"]


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
    reader, _, _ = reader_of(HttpResponse(status, data, retry))
    try:
        state = reader.open(URL)
    except (TryLater, Unreachable):
        return
    assert state in {"blocked", "layout unknown"}
    assert reader.next_batch().results == ()
