"""Limit the rate of page loads: pauses, a limit per minute, and the wait that a server asks for."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from threading import Lock

MINUTE_S = 60.0
JITTER = 0.25
LONGEST_WAIT_S = 60.0


def next_wait(now: float, loads: deque[float], pause: float, per_minute: int | None) -> float:
    """Return the seconds to wait before the next page load.

    `loads` are the times of earlier loads, oldest first; `pause` is the least distance to the
    last one; `per_minute` None means any number.
    """
    wait = loads[-1] + pause - now if loads else 0.0
    if per_minute and len(loads) >= per_minute:
        wait = max(wait, loads[-per_minute] + MINUTE_S - now)
    return max(0.0, wait)


def backoff(retry_after_s: float, attempt: int, pause: float) -> float | None:
    """Return the seconds to wait before a retry; None when the server asks for too many.

    `retry_after_s` is its Retry-After, 0 when it named none: then the wait doubles with each `attempt`,
    counted from 0, starting at `pause` but at least one second, up to a minute.
    """
    if retry_after_s:
        return retry_after_s if retry_after_s <= LONGEST_WAIT_S else None
    return min(max(1.0, pause) * 2.0**attempt, LONGEST_WAIT_S)


@dataclass
class RateLimiter:
    """Wait as `next_wait` says, for all browsers together; clock and sleep come in as functions."""

    pause: float
    per_minute: int | None
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: random.Random
    loads: deque[float] = field(init=False)
    _turn: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        """Remember as many loads as the limit counts."""
        self.loads = deque(maxlen=self.per_minute or 1)

    def acquire(self) -> None:
        """Wait until the next page may be loaded, and note that it is."""
        with self._turn:
            pause = self.pause * self.random.uniform(1 - JITTER, 1 + JITTER)
            wait = next_wait(self.clock(), self.loads, pause, self.per_minute)
            if wait > 0:
                self.sleep(wait)
            self.loads.append(self.clock())


def retry_after(
    value: str | None, cap: float = inf, *, now: datetime | None = None
) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most `cap`, None for garbage.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3); a date that has passed asks for
    no wait. `now` is aware of its time zone, by default it is the present.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), cap)
    try:
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0.0, (aware - (now or datetime.now(UTC))).total_seconds()), cap)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
