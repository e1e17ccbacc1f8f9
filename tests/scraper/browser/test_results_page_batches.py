import pytest
from support.results_page import PAGE, REPORT, THUMB, FakeBrowser, event, opened, page_answered

from scraper.reader import BrowserLost


def test_a_batch_names_the_strategy_that_won_and_whether_it_is_a_last_resort() -> None:
    browser = FakeBrowser()
    reader = opened(browser, page_answered())
    batch = reader.next_batch()
    assert (batch.strategy, batch.last_resort, batch.busy) == ("tbnid", False, False)
    assert [(f.result_id, f.src) for f in batch.results] == [("a", THUMB)]
    browser.report = REPORT | {"strategy": "structure alone"}
    assert reader.next_batch().last_resort


def test_the_page_is_told_when_it_still_waits_for_an_answer() -> None:
    browser = FakeBrowser()
    reader = opened(browser, page_answered())
    browser.log = [
        [event("requestWillBeSent", type="XHR", requestId="9", request={"url": PAGE + "&more"})]
    ]
    assert reader.next_batch().busy
    assert not browser.settings["busy"]
    browser.log = [[event("loadingFinished", requestId="9")]]
    assert not reader.next_batch().busy
    assert browser.settings["busy"]


def test_a_script_that_fails_loses_the_browser() -> None:
    browser = FakeBrowser()
    browser.report = {"error": "TypeError"}
    with pytest.raises(BrowserLost):
        opened(browser, page_answered()).next_batch()
