"""Read the browser's own record of its requests: what became of each, what is still under way."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["running", "finished", "failed"]
_BATCHES = frozenset({"XHR", "Fetch"})


@dataclass(slots=True)
class Received:
    """What became of one request: HTTP status, decoded bytes so far, how it ended.

    `withheld` says that the answer came and the browser did not give it to the page.
    """

    request_id: str
    kind: str
    status: int | None = None
    size: int = 0
    end: End = "running"
    withheld: bool = False


@dataclass
class NetworkLog:
    """The requests of one page load, from the driver's performance log."""

    page_status: int | None = None
    page_headers: dict[str, str] = field(default_factory=dict)
    page_addresses: list[str] = field(default_factory=list)
    _frame: str | None = None
    _of_url: dict[str, Received] = field(default_factory=dict)
    _of_id: dict[str, Received] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Say whether the page still waits for an answer to a request of its scripts."""
        return any(r.kind in _BATCHES and r.end == "running" for r in self._of_id.values())

    def clear(self) -> None:
        """Forget the last page."""
        self.page_status = None
        self._frame = None
        for record in (self.page_headers, self.page_addresses, self._of_url, self._of_id):
            record.clear()

    def read(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take in log entries, each with a JSON `message` of the DevTools protocol."""
        for entry in entries:
            event = json.loads(entry["message"])["message"]
            note = _NOTES.get(event["method"])
            if note is not None:
                note(self, event["params"])

    def find(self, url: str) -> Received | None:
        """Return what became of the picture at an address, None when it was never asked for."""
        return self._of_url.get(url)

    def _sent(self, params: Mapping[str, Any]) -> None:
        kind, url = params.get("type", ""), params["request"]["url"]
        if kind == "Document":
            self._document_sent(params, url)
        elif (kind == "Image" and url.startswith("http")) or kind in _BATCHES:
            received = Received(params["requestId"], kind)
            self._of_id[received.request_id] = received
            if kind == "Image":
                self._of_url[url] = received

    def _document_sent(self, params: Mapping[str, Any], url: str) -> None:
        frame = params.get("frameId")
        if self._frame is None:
            self._frame = frame
        if frame == self._frame and url.startswith("http"):
            self.page_addresses.append(url)

    def _answered(self, params: Mapping[str, Any]) -> None:
        response = params["response"]
        if params.get("type") == "Document":
            self._document_answered(params, response)
            return
        received = self._of_id.get(params["requestId"])
        if received is not None:
            received.status = int(response["status"])
            if received.kind == "Image":
                self._of_url.setdefault(response["url"], received)

    def _document_answered(self, params: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """Keep the answer of the page itself, not of a frame in it; the last one counts."""
        if not response["url"].startswith("http"):
            return
        if self.page_status is None or (self._frame and params.get("frameId") == self._frame):
            self.page_status = int(response["status"])
            headers = response.get("headers", {})
            self.page_headers = {name.lower(): str(value) for name, value in headers.items()}

    def _grew(self, params: Mapping[str, Any]) -> None:
        received = self._of_id.get(params["requestId"])
        if received is not None:
            received.size += int(params["dataLength"])

    def _finished(self, params: Mapping[str, Any]) -> None:
        received = self._of_id.get(params["requestId"])
        if received is not None:
            received.end = "finished"

    def _failed(self, params: Mapping[str, Any]) -> None:
        received = self._of_id.get(params["requestId"])
        if received is not None:
            received.end = "failed"
            blocked = "BLOCKED" in params.get("errorText", "")
            received.withheld = blocked or bool(params.get("canceled"))


_NOTES = {
    "Network.requestWillBeSent": NetworkLog._sent,  # noqa: SLF001  the class's own table
    "Network.responseReceived": NetworkLog._answered,  # noqa: SLF001  the same
    "Network.dataReceived": NetworkLog._grew,  # noqa: SLF001  the same
    "Network.loadingFinished": NetworkLog._finished,  # noqa: SLF001  the same
    "Network.requestServedFromCache": NetworkLog._finished,  # noqa: SLF001  the same
    "Network.loadingFailed": NetworkLog._failed,  # noqa: SLF001  the same
}
