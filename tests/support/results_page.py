"""A browser that plays back what it is told, and what a browser logs about a page."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scraper.browser.driver import Browser
from scraper.browser.results_page import PageReader
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.reader import Unreachable

PAGE = "https://www.example/search?q=beach"
THUMB = "https://t.example/1"
Events = list[Mapping[str, Any]]


def event(method: str, **params: object) -> Mapping[str, Any]:
    message = {"method": f"Network.{method}", "params": params}
    return {"message": json.dumps({"message": message})}


def page_answered(status: int = 200, url: str = PAGE, **headers: str) -> Events:
    response = {"url": url, "status": status, "headers": headers}
    sent = event(
        "requestWillBeSent", type="Document", requestId="0", frameId="f", request={"url": url}
    )
    return [
        sent,
        event("responseReceived", type="Document", requestId="0", frameId="f", response=response),
    ]


def picture(*further: Mapping[str, Any], status: int | None = 200) -> Events:
    sent = event("requestWillBeSent", type="Image", requestId="7", request={"url": THUMB})
    answer = {"url": THUMB, "status": status}
    answered = event("responseReceived", type="Image", requestId="7", response=answer)
    return [sent, *([answered] if status else []), *further]


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


class FakeBrowser(Browser):
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
        self.requested_bodies = 0
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

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        (self.settings,) = arguments  # type: ignore[assignment]
        return self.report

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        return self.log.pop(0) if self.log else []

    def response_body(self, request_id: str) -> bytes | None:
        self.requested_bodies += 1
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


def reader_of(browser: FakeBrowser) -> PageReader:
    clock = Clock()
    return PageReader(browser, GOOGLE_IMAGES, clock, clock.sleep)


def opened(browser: FakeBrowser, *log: Events) -> PageReader:
    browser.log = [[], *log]
    reader = reader_of(browser)
    reader.open(PAGE)
    return reader


def state(browser: FakeBrowser, *log: Events) -> str:
    browser.log = [[], *log]
    return reader_of(browser).open(PAGE)
