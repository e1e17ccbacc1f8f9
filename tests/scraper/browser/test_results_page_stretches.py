import pytest
from support.results_page import PAGE, REPORT, THUMB, FakeTab, event, opened, page_answered

from scraper.reader import BrowserLost


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
