"""Decide when a whole run must end: the user asks, a block, a host that never answers."""

from threading import Lock

from pipeline.signals import StopRequest
from scraper.harvest import StopReason

UNREACHABLE_IN_A_ROW = 3
_MEETS_EVERY_CLASS = frozenset({"blocked", "consent", "interrupted"})


class Halt:
    """What the browsers of a run know of its end; safe to ask and tell from any thread."""

    def __init__(self, request: StopRequest) -> None:
        """Listen to the user's request to stop."""
        self._request = request
        self._met: StopReason | None = None
        self._unreachable = 0
        self._lock = Lock()

    @property
    def asked(self) -> bool:
        """Say whether the user asked to stop."""
        return bool(self._request) or self._met == "interrupted"

    @property
    def reason(self) -> StopReason | None:
        """Return why no further page may be loaded, None while all is well."""
        return "interrupted" if self._request else self._met

    def meet(self, reason: StopReason) -> None:
        """Take in why a class ended.

        A block or an unanswered consent would meet every other class too; one class that cannot
        be reached need not, three in a row do.
        """
        with self._lock:
            self._unreachable = self._unreachable + 1 if reason == "unreachable" else 0
            if reason in _MEETS_EVERY_CLASS or self._unreachable >= UNREACHABLE_IN_A_ROW:
                self._met = self._met or reason

    def __bool__(self) -> bool:
        """Say whether the run must end."""
        return self.reason is not None
