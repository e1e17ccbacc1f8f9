import pytest
from support.results_page import (
    PAGE,
    THUMB,
    FakeBrowser,
    event,
    facts,
    opened,
    page_answered,
    picture,
    state,
)

from scraper.reader import TryLater, Unreachable


def test_a_page_that_answers_is_told_for_what_it_is() -> None:
    browser = FakeBrowser()
    assert state(browser, page_answered()) == "results"
    assert (browser.refusals, browser.stopped) == (0, 0)


@pytest.mark.parametrize(
    ("answer", "readable"), [(False, "https:loading"), (True, "chrome-error:complete")]
)
def test_a_page_that_cannot_be_read_is_unreachable(answer: bool, readable: str) -> None:  # noqa: FBT001  a column of the table
    browser = FakeBrowser()
    browser.opened, browser.readable = answer, readable
    with pytest.raises(Unreachable):
        state(browser)


def test_what_the_browser_says_of_a_host_that_is_away_is_passed_on() -> None:
    browser = FakeBrowser()
    browser.opened, browser.readable = (
        Unreachable("net::ERR_NAME_NOT_RESOLVED"),
        "chrome-error:complete",
    )
    with pytest.raises(Unreachable, match="NAME_NOT_RESOLVED"):
        state(browser)


def test_a_page_that_never_ends_loading_is_read_as_far_as_it_came() -> None:
    browser = FakeBrowser()
    browser.opened = False
    assert state(browser, page_answered()) == "results"
    assert browser.stopped == 1


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 0.0), ({"Retry-After": "soon"}, 0.0)]
)
def test_a_server_that_asks_for_patience_gets_it(headers: dict[str, str], seconds: float) -> None:
    browser = FakeBrowser()
    browser.facts = [facts(search_box=False)]
    with pytest.raises(TryLater) as asked:
        state(browser, page_answered(503, **headers))
    assert asked.value.seconds == seconds


def test_a_block_that_calls_itself_unavailable_is_a_block() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(captcha=True)]
    assert state(browser, page_answered(503)) == "blocked"


def test_a_way_through_a_block_page_is_a_block_even_when_its_end_is_away() -> None:
    browser = FakeBrowser()
    browser.opened = Unreachable("net::ERR_CONNECTION_REFUSED")
    browser.readable, browser.facts = "chrome-error:complete", [facts(url="chrome-error://x/")]
    sorry = page_answered(200, "https://x.example/sorry/index")[:1]
    assert state(browser, [*page_answered(302)[:1], *sorry]) == "blocked"


def test_consent_is_refused_once_and_the_page_is_looked_at_again() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(consent=True), facts(consent=True), facts(items=3)]
    assert state(browser, page_answered()) == "results"
    assert browser.refusals == 1


def test_consent_that_cannot_be_refused_stays_consent() -> None:
    browser = FakeBrowser()
    browser.facts, browser.refused = [facts(consent=True)], ""
    assert state(browser, page_answered()) == "consent"
    assert browser.refusals == 1


def test_consent_that_is_asked_for_anew_is_refused_a_few_times() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(consent=True), facts(items=3), facts(consent=True)] * 9
    assert state(browser, page_answered()) == "consent"
    assert browser.refusals == 3


def test_a_refusal_without_effect_is_not_repeated() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(consent=True)]
    assert state(browser, page_answered()) == "consent"
    assert browser.refusals == 1


def test_a_page_that_still_waits_for_an_answer_gets_time_before_it_counts_as_empty() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(), facts(), facts(items=8)]
    asked = event("requestWillBeSent", type="Fetch", requestId="9", request={"url": PAGE + "&more"})
    assert state(browser, [*page_answered(), asked]) == "results"


def test_an_empty_page_at_rest_is_empty_at_once() -> None:
    browser = FakeBrowser()
    browser.facts = [facts(), facts(items=8)]
    assert state(browser, page_answered()) == "nothing found"


def test_another_page_starts_from_nothing() -> None:
    browser = FakeBrowser()
    waiting = event("requestWillBeSent", type="XHR", requestId="8", request={"url": PAGE + "&more"})
    reader = opened(browser, [*page_answered(), *picture(), waiting])
    assert reader.next_batch().busy
    browser.log = [[], page_answered()]
    reader.open(PAGE)
    assert reader.body(THUMB) is None
    assert not reader.next_batch().busy
