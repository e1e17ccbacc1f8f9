import json

from scraper.network_log import NetworkLog


def entry(method: str, **params: object) -> dict[str, str]:
    return {"message": json.dumps({"message": {"method": method, "params": params}})}


def sent(request: str, url: str) -> dict[str, str]:
    method = "Network.requestWillBeSent"
    return entry(method, type="Image", requestId=request, request={"url": url})


def received(request: str, url: str, status: int, kind: str = "Image") -> dict[str, str]:
    response = {"url": url, "status": status}
    return entry("Network.responseReceived", type=kind, requestId=request, response=response)


def test_an_address_leads_to_its_request_also_when_it_was_redirected() -> None:
    log = NetworkLog()
    log.read([sent("7", "https://t.example/a"), received("7", "https://cdn.example/b", 200)])
    assert log.find("https://t.example/a") == ("7", 200)
    assert log.find("https://cdn.example/b") == ("7", 200)
    assert log.find("https://t.example/other") is None


def test_the_pages_status_is_the_first_documents_of_the_web() -> None:
    log = NetworkLog()
    log.read(
        [
            received("1", "chrome-error://chromewebdata/", 200, "Document"),
            received("2", "https://www.example/search", 429, "Document"),
            received("3", "https://ads.example/frame", 200, "Document"),
        ]
    )
    assert log.page_status == 429


def test_another_page_starts_from_nothing() -> None:
    log = NetworkLog()
    log.read(
        [sent("7", "https://t.example/a"), received("1", "https://x.example", 200, "Document")]
    )
    log.clear()
    assert log.find("https://t.example/a") is None
    assert log.page_status is None
