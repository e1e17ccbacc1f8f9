"""Read the browser's own record of its requests: which address was which request, with what status."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


class NetworkLog:
    """The picture requests of one page load, from the driver's performance log."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.page_status: int | None = None
        self._request_of: dict[str, str] = {}
        self._status_of: dict[str, int] = {}

    def clear(self) -> None:
        """Forget the last page."""
        self.page_status = None
        self._request_of.clear()
        self._status_of.clear()

    def read(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take in log entries, each with a JSON `message` of the DevTools protocol."""
        for entry in entries:
            event = json.loads(entry["message"])["message"]
            self._note(event["method"], event["params"])

    def find(self, url: str) -> tuple[str, int | None] | None:
        """Return request id and HTTP status of an address, None when it was never asked for."""
        request_id = self._request_of.get(url)
        return None if request_id is None else (request_id, self._status_of.get(request_id))

    def _note(self, method: str, params: Mapping[str, Any]) -> None:
        kind = params.get("type")
        if method == "Network.requestWillBeSent" and kind == "Image":
            self._request_of[params["request"]["url"]] = params["requestId"]
        elif method == "Network.responseReceived" and kind == "Image":
            self._request_of.setdefault(params["response"]["url"], params["requestId"])
            self._status_of[params["requestId"]] = int(params["response"]["status"])
        elif method == "Network.responseReceived" and kind == "Document":
            of_the_web = params["response"]["url"].startswith("http")
            if of_the_web and self.page_status is None:
                self.page_status = int(params["response"]["status"])
