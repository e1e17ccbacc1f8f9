import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.pictures import MAX_BYTES
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.harvest import BrowserLost, TryLater, Unreachable
from scraper.page_reader import PageReader
from scraper.previews import Fetched

PAGE = "https://www.example/search?q=beach"
THUMB = "https://t.example/1"
Events = list[Mapping[str, Any]]


def event(method: str, **params: object) -> Mapping[str, Any]:
    message = {"method": f"Network.{method}", "params": params}
    return {"message": json.dumps({"message": message})}


def page_answered(status: int = 200, url: str = PAGE, **headers: str) -> Events:
    response = {"url": url, "status": status, "headers": headers}
    asked = event(
        "requestWillBeSent", type="Document", requestId="0", frameId="f", request={"url": url}
    )
    return [
        asked,
        event("responseReceived", type="Document", requestId="0", frameId="f", response=response),
    ]


def picture(*further: Mapping[str, Any], status: int | None = 200) -> Events:
    asked = event("requestWillBeSent", type="Image", requestId="7", request={"url": THUMB})
    answer = {"url": THUMB, "status": status}
    answered = event("responseReceived", type="Image", requestId="7", response=answer)
    return [asked, *([answered] if status else []), *further]


FINISHED = event("loadingFinished", requestId="7")


def failed(text: str, **more: object) -> Mapping[str, Any]:
    return event("loadingFailed", requestId="7", errorText=text, **more)


def facts(**more: object) -> dict[str, object]:
    values: dict[str, object] = {
        "url": PAGE,
        "title": "beach",
        "items": 0,
        "captcha": False,
        "consent": False,
        "javascript_wall": False,
        "big_pictures": 0,
        "search_box": True,
        "empty_main": False,
    }
    return values | more


REPORT: dict[str, object] = {
    "records": [{"id": "a", "page": "p", "title": "t", "site": "s", "src": THUMB}],
    "unloaded": [],
    "bottom": True,
    "grew": False,
    "clicked": False,
    "end": True,
    "retrying": False,
    "strategy": "tbnid",
}


class FakeTab:
    """A browser that plays back what it is told; a list of facts is one look after another."""

    def __init__(self) -> None:
        self.log: list[Events] = []
        self.facts: list[dict[str, object]] = [facts(items=3)]
        self.bodies: dict[str, bytes] = {"7": b"bytes"}
        self.report = REPORT
        self.opened: bool | Unreachable = True
        self.readable = "https:complete"
        self.refused = "Reject all"
        self.refusals = 0
        self.stopped = 0
        self.asked_bodies = 0
        self.settings: dict[str, Any] = {}

    def open(self, url: str) -> bool:
        if isinstance(self.opened, Unreachable):
            raise self.opened
        return self.opened

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        if "window.stop()" in script:
            self.stopped += arguments[0] is True
            return self.readable
        if "Refuse consent" in script:
            self.refusals += 1
            return self.refused
        return self.facts.pop(0) if len(self.facts) > 1 else self.facts[0]

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  the same
        (self.settings,) = arguments  # type: ignore[assignment]
        return self.report

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        return self.log.pop(0) if self.log else []

    def response_body(self, request_id: str) -> bytes | None:
        self.asked_bodies += 1
        return self.bodies.get(request_id)

    def snapshot(self) -> tuple[str, bytes]:
        return "<html>", b"png"

    def close(self) -> None: ...


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def reader_of(tab: FakeTab) -> PageReader:
    clock = Clock()
    return PageReader(tab, GOOGLE_IMAGES, clock, clock.sleep)


def opened(tab: FakeTab, *log: Events) -> PageReader:
    tab.log = [[], *log]
    reader = reader_of(tab)
    reader.open(PAGE)
    return reader


def state(tab: FakeTab, *log: Events) -> str:
    tab.log = [[], *log]
    return reader_of(tab).open(PAGE)


def test_a_page_that_answers_is_told_for_what_it_is() -> None:
    tab = FakeTab()
    assert state(tab, page_answered()) == "results"
    assert (tab.refusals, tab.stopped) == (0, 0)


@pytest.mark.parametrize(
    ("answer", "readable"), [(False, "https:loading"), (True, "chrome-error:complete")]
)
def test_a_page_that_cannot_be_read_is_unreachable(answer: bool, readable: str) -> None:  # noqa: FBT001  a column of the table
    tab = FakeTab()
    tab.opened, tab.readable = answer, readable
    with pytest.raises(Unreachable):
        state(tab)


def test_what_the_browser_says_of_a_host_that_is_away_is_passed_on() -> None:
    tab = FakeTab()
    tab.opened, tab.readable = Unreachable("net::ERR_NAME_NOT_RESOLVED"), "chrome-error:complete"
    with pytest.raises(Unreachable, match="NAME_NOT_RESOLVED"):
        state(tab)


def test_a_page_that_never_ends_loading_is_read_as_far_as_it_came() -> None:
    tab = FakeTab()
    tab.opened = False
    assert state(tab, page_answered()) == "results"
    assert tab.stopped == 1


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 0.0), ({"Retry-After": "soon"}, 0.0)]
)
def test_a_server_that_asks_for_patience_gets_it(headers: dict[str, str], seconds: float) -> None:
    tab = FakeTab()
    tab.facts = [facts(search_box=False)]
    with pytest.raises(TryLater) as asked:
        state(tab, page_answered(503, **headers))
    assert asked.value.seconds == seconds


def test_a_block_that_calls_itself_unavailable_is_a_block() -> None:
    tab = FakeTab()
    tab.facts = [facts(captcha=True)]
    assert state(tab, page_answered(503)) == "blocked"


def test_a_way_through_a_block_page_is_a_block_even_when_its_end_is_away() -> None:
    tab = FakeTab()
    tab.opened = Unreachable("net::ERR_CONNECTION_REFUSED")
    tab.readable, tab.facts = "chrome-error:complete", [facts(url="chrome-error://x/")]
    sorry = page_answered(200, "https://x.example/sorry/index")[:1]
    assert state(tab, [*page_answered(302)[:1], *sorry]) == "blocked"


def test_consent_is_refused_once_and_the_page_is_looked_at_again() -> None:
    tab = FakeTab()
    tab.facts = [facts(consent=True), facts(consent=True), facts(items=3)]
    assert state(tab, page_answered()) == "results"
    assert tab.refusals == 1


def test_consent_that_cannot_be_refused_stays_consent() -> None:
    tab = FakeTab()
    tab.facts, tab.refused = [facts(consent=True)], ""
    assert state(tab, page_answered()) == "consent"
    assert tab.refusals == 1


def test_consent_that_is_asked_for_anew_is_refused_a_few_times() -> None:
    tab = FakeTab()
    tab.facts = [facts(consent=True), facts(items=3), facts(consent=True)] * 9
    assert state(tab, page_answered()) == "consent"
    assert tab.refusals == 3


def test_a_refusal_without_effect_is_not_repeated() -> None:
    tab = FakeTab()
    tab.facts = [facts(consent=True)]
    assert state(tab, page_answered()) == "consent"
    assert tab.refusals == 1


def test_a_page_that_still_waits_for_an_answer_gets_time_before_it_counts_as_empty() -> None:
    tab = FakeTab()
    tab.facts = [facts(), facts(), facts(items=8)]
    asked = event("requestWillBeSent", type="Fetch", requestId="9", request={"url": PAGE + "&more"})
    assert state(tab, [*page_answered(), asked]) == "results"


def test_an_empty_page_at_rest_is_empty_at_once() -> None:
    tab = FakeTab()
    tab.facts = [facts(), facts(items=8)]
    assert state(tab, page_answered()) == "nothing found"


def test_a_stretch_names_the_strategy_that_won_and_whether_it_is_a_last_resort() -> None:
    tab = FakeTab()
    reader = opened(tab, page_answered())
    found = reader.stretch()
    assert (found.strategy, found.last_resort, found.busy) == ("tbnid", False, False)
    assert [(f.result_id, f.src) for f in found.found] == [("a", THUMB)]
    tab.report = REPORT | {"strategy": "structure alone"}
    assert reader.stretch().last_resort


def test_the_page_is_told_when_it_still_waits_for_an_answer() -> None:
    tab = FakeTab()
    reader = opened(tab, page_answered())
    tab.log = [
        [event("requestWillBeSent", type="XHR", requestId="9", request={"url": PAGE + "&more"})]
    ]
    assert reader.stretch().busy
    assert not tab.settings["busy"]
    tab.log = [[event("loadingFinished", requestId="9")]]
    assert not reader.stretch().busy
    assert tab.settings["busy"]


def test_a_script_that_fails_loses_the_browser() -> None:
    tab = FakeTab()
    tab.report = {"error": "TypeError"}
    with pytest.raises(BrowserLost):
        opened(tab, page_answered()).stretch()


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
    tab = FakeTab()
    reader = opened(tab, [*page_answered(), *log])
    assert reader.body(THUMB) == answer
    assert tab.asked_bodies == (answer is not None and answer.data is not None)


def test_a_log_that_comes_late_is_waited_for() -> None:
    tab = FakeTab()
    reader = opened(tab, [*page_answered(), *picture()])
    tab.log = [[], [FINISHED]]
    assert reader.body(THUMB) == Fetched(b"bytes", 200)


def test_bytes_that_the_browser_gave_up_are_had_elsewhere() -> None:
    tab = FakeTab()
    tab.bodies.clear()
    assert opened(tab, [*page_answered(), *picture(FINISHED)]).body(THUMB) is None
    assert opened(tab, page_answered()).body(THUMB) is None
    tab.bodies["7"] = b""
    some = event("dataReceived", requestId="7", dataLength=78)
    assert opened(tab, [*page_answered(), *picture(some, FINISHED)]).body(THUMB) is None
    empty = opened(tab, [*page_answered(), *picture(FINISHED)])
    assert empty.body(THUMB) == Fetched(b"", 200)
