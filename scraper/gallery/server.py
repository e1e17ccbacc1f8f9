"""Serve a local replica of an image results page, and refuse loads as search engines do."""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from math import ceil
from threading import Lock
from typing import Literal
from urllib.parse import urlencode

from sceneset.atomic import write_file
from sceneset.class_list import SceneClass, read_class_list
from sceneset.progress import Outcome, Output
from sceneset.signals import stop_on_request
from scraper.gallery import page
from scraper.gallery.catalogue import Catalogue, ServedResult, drawn_classes, folder_classes
from scraper.gallery.drawing import extra_picture, favicon, originals_of
from scraper.gallery.faults import Previews, verdict
from scraper.gallery.origin import HTML, NOT_FOUND, Answer, Origin, Request, Respond, serving
from scraper.gallery.page import OTHER_LANGUAGES, TEXTS, View, render
from scraper.gallery.scenes import SCENES, seeded
from scraper.gallery.settings import GallerySettings, Mix

JSON = "application/json; charset=utf-8"
LATE_S = (1.0, 2.0)
FEW = 37
REPEAT_EVERY = 9
Record = dict[str, str | None]
_DEFAULTS = GallerySettings()


def in_page_order(
    results: Sequence[ServedResult], mix: Mix, batch: int
) -> tuple[ServedResult, ...]:
    """Return the results in the order of the page; later batches may repeat earlier ones."""
    if "no-results" in mix or "soft-block" in mix:
        return ()
    shown = list(results[:FEW] if "few" in mix else results)
    if "duplicates-across-batches" not in mix:
        return tuple(shown)
    order = shown[:batch]
    for number, result in enumerate(shown[batch:]):
        if number % REPEAT_EVERY == 0:
            order.append(shown[number % batch])
        order.append(result)
    return tuple(order)


def hangs(start: int, mix: Mix, batch: int) -> bool:
    """Say whether the batch that starts at this rank from 0 never comes."""
    return "stall" in mix and start >= 2 * batch


def reachable(results: Sequence[ServedResult], mix: Mix, batch: int) -> tuple[ServedResult, ...]:
    """Return each result that a visitor can get to see once, in rank order."""
    order = in_page_order(results, mix, batch)
    if "stall" in mix:
        order = order[: 2 * batch]
    return tuple(dict.fromkeys(order))


MINUTE_S = 60.0
RETRY_S = 1
COOKIE = "SOCS"
ConsentChoice = Literal["rejected", "accepted"]


class AccessRules:
    """Decide at each load of a results page whether to answer it."""

    def __init__(self, mix: Mix, loads_before_block: int, seed: int) -> None:
        """Start with no page loads; the question of consent is never in English."""
        self.choices: list[ConsentChoice] = []
        self._mix = mix
        self._limit = loads_before_block
        self._loads: list[float] = []
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
                return _html(render("unavailable.html"), 503, {"Retry-After": str(RETRY_S)})
        if "soft-block" in self._mix:
            return _html(render("soft_block.html", query=words, sei=secrets.token_urlsafe(9)))
        if "consent" in self._mix and COOKIE not in request.cookies:
            query = urlencode({"continue": back, "hl": self._texts["lang"]})
            return Answer(b"", HTML, 302, {"Location": f"{consent}/m?{query}"})
        if "consent-dialog" in self._mix and COOKIE not in request.cookies:
            return _html(render("dialog.html", query=words, text=self._texts))
        return None

    def sorry(self, request: Request) -> Answer:
        """Return the page at /sorry/index: a captcha that nobody can solve."""
        back, token = request.query.get("continue", ""), request.query.get("q", "")
        wait = ceil(self._loads[0] + MINUTE_S - time.monotonic()) if self._loads else MINUTE_S
        html = render("sorry.html", back=back, token=token)
        return _html(html, 429, {"Retry-After": str(max(1, int(wait)))})

    def consent_page(self, request: Request, search: str, consent: str) -> Answer:
        """Answer on the consent page's own origin."""
        if request.path == "/m" and request.form is None:
            back = request.query.get("continue", search)
            return _html(render("consent.html", text=self._texts, consent=consent, back=back))
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
        now = time.monotonic()
        self._loads = [load for load in self._loads if load > now - MINUTE_S]
        if len(self._loads) >= self._limit:
            return True
        self._loads.append(now)
        return False


class Gallery:
    """A running gallery: what it serves, what was requested.

    `search_url` is the template of the results page's URL, with {query}; `consents` are the choices
    that visitors made on the consent page or dialog, oldest first.
    """

    def __init__(self, settings: GallerySettings) -> None:
        """Listen on every port. Raises SettingsError or ClassListError."""
        self._settings = settings
        self.mix = settings.mix
        self._catalogue = open_catalogue(settings)
        self._previews = Previews(self._catalogue, self.mix)
        self._rules = AccessRules(self.mix, settings.loads_before_block, settings.seed)
        self._failed: set[str] = set()
        self.pages = Origin(settings.port, self._respond_page)
        self.thumbs = Origin(0, self._respond_thumb)
        self.origins = [self.thumbs, self.pages]
        if "consent" in self.mix:
            self.origins.append(Origin(0, self._respond_consent))
        self.search_url = self.pages.url + "/search?q={query}"
        self.consents: Sequence[ConsentChoice] = self._rules.choices
        self.class_names = tuple(self._catalogue.classes)

    @property
    def requests(self) -> list[Request]:
        """Return every request to any origin so far, oldest first."""
        every = [request for origin in self.origins for request in origin.requests]
        return sorted(every, key=lambda request: request.time)

    def truth(self) -> dict[str, list[Record]]:
        """Return per class a record of every result that a visitor can see; draws every class.

        Keys: docid, thumb_id, id (the one of the two that the page shows; None when it shows none),
        url (of the thumbnail), page, title, sha256 (of the bytes), kind, and of: the docid of the
        original that it is a copy of. status and reason are what the manifest should say; of results
        with the same bytes the one read first is `kept`, here the first in rank.
        """
        return {
            name: self._records(served.results) for name, served in self._catalogue.classes.items()
        }

    def _records(self, results: Sequence[ServedResult]) -> list[Record]:
        held: set[bytes] = set()
        return [
            self._record(result, held)
            for result in reachable(results, self.mix, self._settings.batch)
        ]

    def _record(self, result: ServedResult, held: set[bytes]) -> Record:
        preview = self._previews.answer(result)
        status, reason = verdict(preview, held)
        lang = "ja" if "japanese" in self.mix else "en"
        return {
            "docid": result.docid,
            "thumb_id": result.thumb_id,
            "id": page.exposed_id(self.mix, result.docid, result.thumb_id),
            "url": page.thumb_url(self.thumbs.url, result),
            "page": result.page,
            "title": page.shown_title(result.title, lang, result.position),
            "sha256": hashlib.sha256(preview.data).hexdigest(),
            "kind": result.kind,
            "of": result.of,
            "status": status,
            "reason": reason,
        }

    def _respond_page(self, request: Request) -> Answer:
        respond: dict[str, Respond] = {
            "/search": self._search,
            "/more": self._more,
            "/truth.json": lambda _: Answer(_json(self.truth()), JSON),
            "/requests.json": lambda _: Answer(_json([r.target for r in self.requests]), JSON),
            "/": lambda _: _html(page.start_page(self.class_names, self._view())),
        }
        if "sorry" in self.mix:
            respond["/sorry/index"] = self._rules.sorry
        if "consent-dialog" in self.mix:
            respond["/choice"] = self._rules.choose
        chosen = respond.get(request.path)
        return NOT_FOUND if chosen is None else chosen(request)

    def _respond_consent(self, request: Request) -> Answer:
        return self._rules.consent_page(request, self.pages.url, self.origins[-1].url)

    def _search(self, request: Request) -> Answer:
        if stopped := self._rules.stops(request, self.pages.url, self.origins[-1].url):
            return stopped
        words = request.query.get("q", "")
        results = self._results(words)
        if not results:
            return _html(page.empty_page(words, self._view()))
        options = {"automatic": self._settings.automatic, "delay_ms": self._settings.delay_ms}
        first = results[: self._settings.batch]
        return _html(page.results_page(words, first, len(results), self._view(), options))

    def _more(self, request: Request) -> Answer:
        eid, start = request.query.get("eid", ""), request.query.get("start", "")
        first = int(start) if start.isdecimal() else 0
        if "failed-batch" in self.mix and eid not in self._failed:
            self._failed.add(eid)
            return Answer(b"internal error\n", "text/plain; charset=utf-8", 500)
        results = self._results(request.query.get("q", ""))
        wait: float | None = 0
        if hangs(first, self.mix, self._settings.batch):
            wait = None
        elif "late-batches" in self.mix:
            wait = seeded("late", eid, start).uniform(*LATE_S)
        shown = results[first : first + self._settings.batch]
        batch = page.later_batch(first, shown, self._view(eid))
        return Answer(_json(batch), JSON, wait_s=wait)

    def _results(self, words: str) -> tuple[ServedResult, ...]:
        return in_page_order(self._catalogue.find(words), self.mix, self._settings.batch)

    def _view(self, eid: str | None = None) -> View:
        return View(eid or secrets.token_urlsafe(12), self.thumbs.url, self._previews)

    def _respond_thumb(self, request: Request) -> Answer:
        if request.path == "/images":
            result = self._catalogue.by_thumb.get(request.query.get("q", "").removeprefix("tbn:"))
            return NOT_FOUND if result is None else self._previews.answer(result)
        if request.path == "/favicon":
            return Answer(favicon(request.query.get("site", "")), "image/png")
        if request.path in {"/chip", "/decoy"}:
            return Answer(
                extra_picture(request.path[1:], request.query.get("words", "")), "image/jpeg"
            )
        return NOT_FOUND


def open_catalogue(settings: GallerySettings) -> Catalogue:
    """Return what these settings serve. Raises ClassListError."""
    if settings.pictures is not None:
        return Catalogue(folder_classes(settings.pictures))
    if settings.classes is not None:
        classes = read_class_list(settings.classes)
    else:
        classes = tuple(SceneClass(name, (name,)) for name in SCENES)
    return Catalogue(
        drawn_classes(
            classes,
            originals_of(settings.seed, settings.per_class),
            per_class=settings.per_class,
            share=settings.duplicates,
            seed=settings.seed,
        )
    )


@contextmanager
def running_gallery(settings: GallerySettings = _DEFAULTS) -> Iterator[Gallery]:
    """Run a gallery in threads while the block runs. Raises SettingsError or ClassListError."""
    gallery = Gallery(settings)
    with ExitStack() as running:
        for origin in gallery.origins:
            running.enter_context(serving(origin))
        if settings.truth is not None:
            write_file(settings.truth, _json(gallery.truth()))
        yield gallery


def gallery(*, settings: GallerySettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Serve the gallery on 127.0.0.1 until Ctrl-C or SIGTERM."""
    with running_gallery(settings) as running, stop_on_request() as request:
        output.say(f"search: {running.search_url}")
        output.say(f"serving {len(running.class_names)} classes; Ctrl-C ends it")
        while not request:
            time.sleep(0.2)
        summary = {"search_url": running.search_url, "requests": len(running.requests)}
    return Outcome(summary)


def _html(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(text.encode(), HTML, status, headers or {})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
