"""Fetch one preview with one polite request: bounded in time, size, redirects and hosts."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import sleep as _sleep
from typing import TYPE_CHECKING

from scraper.previews import OK_STATUS, Fetched
from scraper.retry_after import retry_after

if TYPE_CHECKING:
    from scraper.bounded_http import Answer, Limits

LONGEST_WAIT_S = 30.0
_PATIENCE_ASKED = frozenset({429, 503})


class Downloader:
    """One keep-alive session that asks for one preview after another."""

    def __init__(
        self,
        user_agent: str,
        *,
        allow_private: bool = False,
        sleep: Callable[[float], None] = _sleep,
        before_request: Callable[[], None] | None = None,
        limits: "Limits | None" = None,
    ) -> None:
        """Send the reader's own user agent, so that both halves of a visit look alike.

        `allow_private` lets it reach this machine and private networks: right when the results page
        itself is there, never otherwise. `before_request` keeps a pace where a source wants one.
        """
        from scraper.bounded_http import BoundedSession  # noqa: PLC0415  requests loads here only
        from scraper.guarded_connection import Guard  # noqa: PLC0415  the same

        self._session = BoundedSession(user_agent, "identity", Guard(allow_private), limits)
        self._sleep = sleep
        self._before_request = before_request

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none; never raises for a bad answer.

        More than the limit comes back one byte too long, to be judged too large.
        """
        from scraper.bounded_http import NoAnswer  # noqa: PLC0415  loaded by __init__ already

        try:
            answer = self._get(url)
            if answer.status in _PATIENCE_ASKED:
                wait = retry_after(answer.retry_after, datetime.now(UTC), LONGEST_WAIT_S)
                if wait is not None:
                    self._sleep(wait)
                    answer = self._get(url)
        except NoAnswer as failed:
            return Fetched(None, failed.status, failed.reason)
        if answer.status != OK_STATUS:
            return Fetched(None, answer.status, "http_error")
        return Fetched(answer.data, answer.status)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _get(self, url: str) -> "Answer":
        if self._before_request is not None:
            self._before_request()
        return self._session.get(url)
