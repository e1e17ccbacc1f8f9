"""Turn visitors away: /sorry after too many page loads, a page without results, come back later."""

import secrets
from collections import deque
from collections.abc import Callable
from math import ceil
from threading import Lock
from urllib.parse import urlencode

from scraper.gallery.behaviours import Mix
from scraper.gallery.origin import Answer, Call
from scraper.gallery.page import render

HTML = "text/html; charset=utf-8"
MINUTE_S = 60.0
RETRY_S = 1


class Door:
    """Decides at each load of a results page; the clock comes in as a function (seconds)."""

    def __init__(self, mix: Mix, loads_before_block: int, clock: Callable[[], float]) -> None:
        """Nobody has called yet."""
        self._mix = mix
        self._limit = loads_before_block
        self._clock = clock
        self._loads: deque[float] = deque()
        self._turned_away = False
        self._lock = Lock()

    def stops(self, call: Call, search: str) -> Answer | None:
        """Return what a visitor gets in place of the page; None to let it pass."""
        with self._lock:
            if "sorry" in self._mix and self._is_too_much():
                query = urlencode({"continue": search + call.target, "q": secrets.token_urlsafe(8)})
                return Answer(b"", HTML, 302, {"Location": f"{search}/sorry/index?{query}"})
            if "retry-later" in self._mix and not self._turned_away:
                self._turned_away = True
                return Answer(render("unavailable.html").encode(), HTML, 503, _retry(RETRY_S))
        if "soft-block" in self._mix:
            html = render(
                "soft_block.html", query=call.query.get("q", ""), sei=secrets.token_urlsafe(9)
            )
            return Answer(html.encode(), HTML)
        return None

    def sorry(self, call: Call) -> Answer:
        """Return the page at /sorry/index: a captcha that nobody can solve."""
        back, token = call.query.get("continue", ""), call.query.get("q", "")
        wait = ceil(self._loads[0] + MINUTE_S - self._clock()) if self._loads else MINUTE_S
        html = render("sorry.html", back=back, token=token)
        return Answer(html.encode(), HTML, 429, _retry(max(1, int(wait))))

    def _is_too_much(self) -> bool:
        now = self._clock()
        while self._loads and self._loads[0] <= now - MINUTE_S:
            self._loads.popleft()
        if len(self._loads) >= self._limit:
            return True
        self._loads.append(now)
        return False


def _retry(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}
