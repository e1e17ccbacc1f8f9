import pytest
from support.results_page import PAGE, FakeTab, event, facts, page_answered, state

from scraper.reader import TryLater, Unreachable


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
