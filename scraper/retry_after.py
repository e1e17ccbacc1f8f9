"""Read how long a server asks to wait."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf


def retry_after(value: str | None, now: datetime, cap: float = inf) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most `cap`, None for garbage.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3); a date that has passed asks for
    no wait. `now` is aware of its time zone.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), cap)
    try:
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0.0, (aware - now).total_seconds()), cap)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
