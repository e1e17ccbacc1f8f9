import json

import pytest
from support.api_results import URL, harvested, page, reader_of

from scraper.engines.wikimedia_commons import WIKIMEDIA_COMMONS
from scraper.http.client import HttpResponse, NoAnswer
from scraper.reader import AccessDenied


def test_all_pages_are_read_one_after_another_at_the_pace() -> None:
    reader, client, waits = reader_of(page(1, 3, "a", "b"), page(2, 3, "c"), page(3, 3, "d"))
    assert reader.open(URL) == "results"
    assert harvested(reader) == ("end of results", ["a", "b", "c", "d"])
    assert client.requested == [URL, URL + "&page=2", URL + "&page=3"]
    assert waits.pauses == 2


def test_no_page_is_asked_for_when_enough_is_there() -> None:
    reader, client, _ = reader_of(page(1, 9, "a", "b"), page(2, 9, "c"))
    reader.open(URL)
    assert harvested(reader, wanted=2) == ("target reached", ["a", "b"])
    assert len(client.requested) == 1


def test_a_page_that_fails_in_between_is_tried_again() -> None:
    busy = HttpResponse(429, b"", "7")
    gone = NoAnswer("slow", "timeout")
    reader, client, waits = reader_of(page(1, 2, "a"), busy, gone, page(2, 2, "b"))
    reader.open(URL)
    assert harvested(reader) == ("end of results", ["a", "b"])
    assert client.requested[1:] == [URL + "&page=2"] * 3
    assert (waits.pauses, waits.sleeps) == (3, [7])


@pytest.mark.parametrize(
    "answer",
    [HttpResponse(200, b"{"), NoAnswer("x", "timeout")],
)
def test_a_page_that_fails_for_good_is_a_stall_and_keeps_what_there_is(
    answer: HttpResponse | NoAnswer,
) -> None:
    reader, client, waits = reader_of(page(1, 2, "a"), answer)
    reader.open(URL)
    assert harvested(reader) == ("stalled", ["a"])
    assert len(client.requested) < 8
    assert max(waits.sleeps, default=0) <= 60


@pytest.mark.parametrize(
    "answer", [HttpResponse(429, b"", "99999"), HttpResponse(403, b""), HttpResponse(401, b"")]
)
def test_a_refusal_in_the_middle_is_raised_after_what_there_is(answer: HttpResponse) -> None:
    reader, client, waits = reader_of(page(1, 2, "a"), answer)
    reader.open(URL)
    assert [r.result_id for r in reader.next_batch().results] == ["a"]
    with pytest.raises(AccessDenied):
        for _ in range(4):
            reader.next_batch()
    assert len(client.requested) <= 4
    assert max(waits.sleeps, default=0) <= 60


def test_results_that_come_again_are_reported_once() -> None:
    reader, _, _ = reader_of(page(1, 2, "a", "b", "a"), page(2, 2, "b", "c"))
    reader.open(URL)
    assert harvested(reader) == ("end of results", ["a", "b", "c"])


def test_an_api_that_never_ends_is_given_up() -> None:
    reader, client, _ = reader_of(page(1, 12, "a"))
    reader.open(URL)
    assert harvested(reader)[1] == ["a"]
    assert len(client.requested) < 40


def test_an_answer_that_names_itself_as_the_next_is_the_last() -> None:
    info = {"thumburl": "https://t.example/1"}
    body = {
        "query": {"pages": [{"pageid": 1, "imageinfo": [info]}]},
        "continue": {"gsroffset": 50},
    }
    reader, client, _ = reader_of(
        HttpResponse(200, json.dumps(body).encode()), engine=WIKIMEDIA_COMMONS
    )
    reader.open(WIKIMEDIA_COMMONS.search_url("beach"))
    assert harvested(reader) == ("end of results", ["1"])
    assert len(client.requested) == 2


def test_after_the_end_there_is_nothing() -> None:
    reader, client, _ = reader_of(page(1, 1, "a"))
    reader.open(URL)
    assert reader.next_batch().results
    last = reader.next_batch()
    assert (last.results, last.end_shown, last.at_bottom) == ((), True, True)
    assert len(client.requested) == 1
