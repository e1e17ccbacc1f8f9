import json

import pytest

from scraper.browser.results_page import NetworkLog

PAGE = "https://www.example/search"
THUMB = "https://t.example/a"


def entry(method: str, **params: object) -> dict[str, str]:
    message = {"method": f"Network.{method}", "params": params}
    return {"message": json.dumps({"message": message})}


def sent(request: str, url: str, kind: str = "Image", **more: object) -> dict[str, str]:
    return entry("requestWillBeSent", type=kind, requestId=request, request={"url": url}, **more)


def received(
    request: str, url: str, status: int, kind: str = "Image", **more: object
) -> dict[str, str]:
    response = {"url": url, "status": status, "headers": more.pop("headers", {})}
    return entry("responseReceived", type=kind, requestId=request, response=response, **more)


def read(*entries: dict[str, str]) -> NetworkLog:
    log = NetworkLog()
    log.read(entries)
    return log


def test_an_address_leads_to_its_request_also_when_it_was_redirected() -> None:
    log = read(sent("7", THUMB), received("7", "https://cdn.example/b", 200))
    first, second = log.find(THUMB), log.find("https://cdn.example/b")
    assert first is not None
    assert first is second
    assert (first.request_id, first.status) == ("7", 200)
    assert log.find("https://t.example/other") is None


def test_decoded_bytes_are_added_up_while_they_come() -> None:
    parts = [entry("dataReceived", requestId="7", dataLength=n) for n in (1000, 0, 24)]
    found = read(sent("7", THUMB), received("7", THUMB, 200), *parts).find(THUMB)
    assert found is not None
    assert (found.size, found.end) == (1024, "running")


@pytest.mark.parametrize(
    ("last", "end", "withheld"),
    [
        (entry("loadingFinished", requestId="7"), "finished", False),
        (entry("requestServedFromCache", requestId="7"), "finished", False),
        (
            entry("loadingFailed", requestId="7", errorText="net::ERR_CONNECTION_RESET"),
            "failed",
            False,
        ),
        (
            entry("loadingFailed", requestId="7", errorText="net::ERR_BLOCKED_BY_ORB"),
            "failed",
            True,
        ),
        (
            entry("loadingFailed", requestId="7", errorText="net::ERR_ABORTED", canceled=True),
            "failed",
            True,
        ),
    ],
    ids=["finished", "cached", "reset", "blocked", "cancelled"],
)
def test_how_a_request_ended_is_known(last: dict[str, str], end: str, withheld: bool) -> None:  # noqa: FBT001  a column of the table
    found = read(sent("7", THUMB), last).find(THUMB)
    assert found is not None
    assert (found.end, found.withheld) == (end, withheld)


@pytest.mark.parametrize("kind", ["XHR", "Fetch"])
def test_a_page_is_busy_until_every_answer_to_its_scripts_came(kind: str) -> None:
    log = read(sent("1", PAGE + "/more", kind), sent("2", PAGE + "/more?2", kind))
    log.read([entry("loadingFinished", requestId="1")])
    assert log.busy
    log.read([entry("loadingFailed", requestId="2", errorText="net::ERR_FAILED")])
    assert not log.busy


def test_a_picture_that_still_comes_does_not_make_a_page_busy() -> None:
    assert not read(sent("7", THUMB), received("7", THUMB, 200)).busy


def test_the_pages_status_is_its_own_and_no_frames() -> None:
    log = read(
        sent("0", "chrome://new-tab-page/", "Document", frameId="main"),
        received("1", "chrome-error://chromewebdata/", 200, "Document", frameId="main"),
        received("2", PAGE, 429, "Document", frameId="main", headers={"Retry-After": "7"}),
        received("3", "https://ads.example/frame", 200, "Document", frameId="ad"),
    )
    assert log.page_status == 429
    assert log.page_headers == {"retry-after": "7"}


def test_the_last_page_of_a_redirected_load_counts_and_the_way_is_kept() -> None:
    log = read(
        sent("1", "https://consent.example/m", "Document", frameId="main"),
        received("1", "https://consent.example/m", 200, "Document", frameId="main"),
        sent("2", PAGE, "Document", frameId="main"),
        sent("3", "https://ads.example/frame", "Document", frameId="ad"),
        received("2", PAGE, 503, "Document", frameId="main"),
    )
    assert log.page_status == 503
    assert log.page_urls == ["https://consent.example/m", PAGE]


def test_bytes_within_the_page_are_no_requests() -> None:
    assert read(sent("7", "data:image/gif;base64,R0lG")).find("data:image/gif;base64,R0lG") is None
