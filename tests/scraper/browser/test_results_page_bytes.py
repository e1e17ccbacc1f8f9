import pytest
from support.results_page import (
    FINISHED,
    THUMB,
    Events,
    FakeBrowser,
    event,
    failed,
    opened,
    page_answered,
    picture,
)

from sceneset.images import MAX_BYTES
from scraper.reader import Fetched


@pytest.mark.parametrize(
    ("log", "answer"),
    [
        (picture(FINISHED), Fetched(b"bytes", 200)),
        (picture(FINISHED, status=404), Fetched(None, 404, "http_error")),
        (picture(), Fetched(None, 200, "timeout")),
        (picture(failed("net::ERR_CONTENT_LENGTH_MISMATCH")), Fetched(None, 200, "http_error")),
        (
            picture(failed("net::ERR_CONNECTION_REFUSED"), status=None),
            Fetched(None, None, "http_error"),
        ),
        (picture(failed("net::ERR_BLOCKED_BY_ORB"), status=None), None),
        (picture(failed("net::ERR_ABORTED", canceled=True)), None),
        (
            picture(event("dataReceived", requestId="7", dataLength=MAX_BYTES + 1), FINISHED),
            Fetched(None, 200, "too_large"),
        ),
        (
            picture(event("dataReceived", requestId="7", dataLength=MAX_BYTES + 1)),
            Fetched(None, 200, "too_large"),
        ),
    ],
    ids=[
        "whole",
        "missing",
        "dripping",
        "cut off",
        "refused",
        "withheld",
        "cancelled",
        "huge",
        "endless",
    ],
)
def test_only_a_complete_answer_has_bytes(log: Events, answer: Fetched | None) -> None:
    browser = FakeBrowser()
    reader = opened(browser, [*page_answered(), *log])
    assert reader.body(THUMB) == answer
    assert browser.requested_bodies == (answer is not None and answer.data is not None)


def test_a_log_that_comes_late_is_waited_for() -> None:
    browser = FakeBrowser()
    reader = opened(browser, [*page_answered(), *picture()])
    browser.log = [[], [FINISHED]]
    assert reader.body(THUMB) == Fetched(b"bytes", 200)


def test_bytes_that_the_browser_gave_up_are_had_elsewhere() -> None:
    browser = FakeBrowser()
    browser.bodies.clear()
    assert opened(browser, [*page_answered(), *picture(FINISHED)]).body(THUMB) is None
    assert opened(browser, page_answered()).body(THUMB) is None
    browser.bodies["7"] = b""
    some = event("dataReceived", requestId="7", dataLength=78)
    assert opened(browser, [*page_answered(), *picture(some, FINISHED)]).body(THUMB) is None
    empty = opened(browser, [*page_answered(), *picture(FINISHED)])
    assert empty.body(THUMB) == Fetched(b"", 200)
