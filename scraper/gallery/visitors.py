"""Refuse page loads as search engines do: blocks, retry later, consent first."""

import secrets
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from threading import Lock
from typing import Literal
from urllib.parse import urlencode

from scraper.gallery.behaviours import Mix
from scraper.gallery.origin import HTML, NOT_FOUND, Answer, Request
from scraper.gallery.page import OTHER_LANGUAGES, TEXTS, render
from scraper.gallery.scenes import seeded

MINUTE_S = 60.0
RETRY_S = 1
COOKIE = "SOCS"
ConsentChoice = Literal["rejected", "accepted"]


class AccessRules:
    """Decide at each load of a results page whether to answer it; the clock gives seconds."""

    def __init__(
        self, mix: Mix, loads_before_block: int, seed: int, clock: Callable[[], float]
    ) -> None:
        """Start with no page loads; the question of consent is never in English."""
        self.choices: list[ConsentChoice] = []
        self._mix = mix
        self._limit = loads_before_block
        self._clock = clock
        self._loads: deque[float] = deque()
        self._has_refused = False
        self._lock = Lock()
        lang = "ja" if "japanese" in mix else seeded("consent", seed).choice(OTHER_LANGUAGES)
        self._texts = TEXTS[lang]

    def stops(self, request: Request, search: str, consent: str) -> Answer | None:
        """Return what a visitor gets in place of the page, None for the page itself.

        `search` and `consent` are the URLs of the two origins.
        """
        words, back = request.query.get("q", ""), search + request.target
        with self._lock:
            if "sorry" in self._mix and self._is_too_much():
                query = urlencode({"continue": back, "q": secrets.token_urlsafe(8)})
                return Answer(b"", HTML, 302, {"Location": f"{search}/sorry/index?{query}"})
            if "retry-later" in self._mix and not self._has_refused:
                self._has_refused = True
                html = render("unavailable.html")
                return Answer(html.encode(), HTML, 503, {"Retry-After": str(RETRY_S)})
        if "soft-block" in self._mix:
            html = render("soft_block.html", query=words, sei=secrets.token_urlsafe(9))
            return Answer(html.encode(), HTML)
        if "consent" in self._mix and COOKIE not in request.cookies:
            query = urlencode({"continue": back, "hl": self._texts["lang"]})
            return Answer(b"", HTML, 302, {"Location": f"{consent}/m?{query}"})
        if "consent-dialog" in self._mix and COOKIE not in request.cookies:
            return Answer(render("dialog.html", query=words, text=self._texts).encode(), HTML)
        return None

    def sorry(self, request: Request) -> Answer:
        """Return the page at /sorry/index: a captcha that nobody can solve."""
        back, token = request.query.get("continue", ""), request.query.get("q", "")
        wait = ceil(self._loads[0] + MINUTE_S - self._clock()) if self._loads else MINUTE_S
        html = render("sorry.html", back=back, token=token)
        return Answer(html.encode(), HTML, 429, {"Retry-After": str(max(1, int(wait)))})

    def consent_page(self, request: Request, search: str, consent: str) -> Answer:
        """Answer on the consent page's own origin."""
        if request.path == "/m" and request.form is None:
            back = request.query.get("continue", search)
            html = render("consent.html", text=self._texts, consent=consent, back=back)
            return Answer(html.encode(), HTML)
        if request.path != "/save" or request.form is None:
            return NOT_FOUND
        answer = self.choose(request)
        if answer.status != HTTPStatus.OK:
            return answer
        back = request.form.get("continue", "")
        place = back if back.startswith(search + "/") else search
        return Answer(b"", HTML, 303, {**answer.headers, "Location": place})

    def choose(self, request: Request) -> Answer:
        """Note a choice and set its cookie: `set_eom` is true to reject, false to accept."""
        value = (request.form or {}).get("set_eom")
        if value not in {"true", "false"}:
            return Answer(b"set_eom is true or false\n", "text/plain", 400)
        self.choices.append("rejected" if value == "true" else "accepted")
        cookie = f"{COOKIE}={self.choices[-1]}; Path=/; Max-Age=3600; SameSite=Lax"
        return Answer(b"", HTML, HTTPStatus.OK, {"Set-Cookie": cookie})

    def _is_too_much(self) -> bool:
        now = self._clock()
        while self._loads and self._loads[0] <= now - MINUTE_S:
            self._loads.popleft()
        if len(self._loads) >= self._limit:
            return True
        self._loads.append(now)
        return False
