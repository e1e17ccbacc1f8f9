"""State what reading a page needs of a browser."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Tab(Protocol):
    """What reading a page needs of a browser; every method may raise BrowserLost."""

    def open(self, url: str) -> bool:
        """Load a page; return False when it did not end loading in time. Raises Unreachable."""

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        """Run a script in the page and return its value."""

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  the same
        """Run a script that calls back and return what it calls back with."""

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        """Return the log of DevTools messages since the last call."""

    def response_body(self, request_id: str) -> bytes | None:
        """Return the bytes that were received for a request, None when they are gone."""

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it."""

    def close(self) -> None:
        """End the browser."""
