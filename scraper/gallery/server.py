"""Serve a local replica of an image results page, for the `gallery` command and for tests."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sceneset.atomic import write_file
from sceneset.class_list import SceneClass, read_class_list
from sceneset.progress import Outcome, Output
from sceneset.signals import stop_on_request
from scraper.gallery import page
from scraper.gallery.catalogue import Catalogue, Result, drawn_shelves, folder_shelves
from scraper.gallery.drawing import Studio, chip_picture, decoy_picture, favicon
from scraper.gallery.faults import Previews
from scraper.gallery.origin import NOT_FOUND, Answer, Call, Origin, Request, Respond, serving
from scraper.gallery.page import View
from scraper.gallery.scenes import SCENES, seeded
from scraper.gallery.settings import GallerySettings
from scraper.gallery.truth import Record, dealt, hangs, records
from scraper.gallery.visitors import ConsentChoice, ConsentDesk, Door

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
LATE_S = (1.0, 2.0)
_DEFAULTS = GallerySettings()


class Gallery:
    """A running gallery: where it is, what it serves and what was asked of it."""

    def __init__(self, settings: GallerySettings) -> None:
        """Listen on every port. Raises SettingsError or ClassListError."""
        self._settings = settings
        self.mix = settings.mix
        self._catalogue = open_catalogue(settings)
        self._previews = Previews(self._catalogue, self.mix)
        self._door = Door(self.mix, settings.loads_before_block, time.monotonic)
        self._desk = ConsentDesk(self.mix, settings.seed)
        self._failed: set[str] = set()
        with ExitStack() as opened:
            self.pages = Origin(settings.port, self._respond_page)
            opened.callback(self.pages.server_close)
            self.thumbs = Origin(0, self._respond_thumb)
            opened.callback(self.thumbs.server_close)
            self.origins = [self.thumbs, self.pages]
            if "consent" in self.mix:
                self.origins.append(Origin(0, self._respond_consent))
            opened.pop_all()

    @property
    def search_url(self) -> str:
        """Return the template of the results page's address, with {query}."""
        return self.pages.url + "/search?q={query}"

    @property
    def requests(self) -> list[Request]:
        """Return every request to any origin so far, oldest first."""
        every = [request for origin in self.origins for request in origin.requests]
        return sorted(every, key=lambda request: request.time)

    @property
    def consents(self) -> list[ConsentChoice]:
        """Return what visitors chose on the consent page or dialog, oldest first."""
        return list(self._desk.choices)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes that are served."""
        return tuple(self._catalogue.shelves)

    def truth(self) -> dict[str, list[Record]]:
        """Return per class a record of every result that a visitor can see; draws every class."""
        return {
            name: records(
                shelf.results,
                self._previews,
                self.mix,
                batch=self._settings.batch,
                thumbs=self.thumbs.url,
            )
            for name, shelf in self._catalogue.shelves.items()
        }

    def _respond_page(self, call: Call) -> Answer:
        respond: dict[str, Respond] = {
            "/search": self._search,
            "/more": self._more,
            "/truth.json": lambda _: Answer(_json(self.truth()), JSON),
            "/requests.json": lambda _: Answer(_json([r.path for r in self.requests]), JSON),
            "/": self._start,
        }
        if "sorry" in self.mix:
            respond["/sorry/index"] = self._door.sorry
        if "consent-dialog" in self.mix:
            respond["/choice"] = self._desk.chosen
        chosen = respond.get(call.path)
        return NOT_FOUND if chosen is None else chosen(call)

    def _start(self, _call: Call) -> Answer:
        return Answer(page.start_page(self.class_names, self._view()).encode(), HTML)

    def _stopped(self, call: Call) -> Answer | None:
        search, desk = self.pages.url, self.origins[-1].url
        return self._door.stops(call, search) or self._desk.stops(call, search, desk)

    def _respond_consent(self, call: Call) -> Answer:
        return self._desk.respond(call, self.pages.url, self.origins[-1].url)

    def _search(self, call: Call) -> Answer:
        if stopped := self._stopped(call):
            return stopped
        words = call.query.get("q", "")
        deck = self._deck(words)
        if not deck:
            return Answer(page.empty_page(words, self._view()).encode(), HTML)
        options = {"automatic": self._settings.automatic, "delay_ms": self._settings.delay_ms}
        html = page.results_page(words, self._batch(deck, 0), len(deck), self._view(), options)
        return Answer(html.encode(), HTML)

    def _more(self, call: Call) -> Answer:
        eid, start = call.query.get("eid", ""), call.query.get("start", "")
        first = int(start) if start.isdecimal() else 0
        if "failed-batch" in self.mix and eid not in self._failed:
            self._failed.add(eid)
            return Answer(b"internal error\n", "text/plain; charset=utf-8", 500)
        batch = self._batch(self._deck(call.query.get("q", "")), first)
        wait: float | None = 0
        if hangs(first, self.mix, self._settings.batch):
            wait = None
        elif "late-batches" in self.mix:
            wait = seeded("late", eid, start).uniform(*LATE_S)
        return Answer(_json(page.later_batch(batch, self._view(eid))), JSON, wait_s=wait)

    def _deck(self, words: str) -> tuple[Result, ...]:
        return dealt(self._catalogue.find(words), self.mix, self._settings.batch)

    def _batch(self, deck: tuple[Result, ...], start: int) -> page.Batch:
        shown = deck[start : start + self._settings.batch]
        return page.Batch(start, shown, self._previews.read, self._previews.earliest)

    def _view(self, eid: str | None = None) -> View:
        return View(eid or secrets.token_urlsafe(12), self.thumbs.url, self.mix)

    def _respond_thumb(self, call: Call) -> Answer:
        if call.path == "/images":
            result = self._catalogue.by_thumb(call.query.get("q", "").removeprefix("tbn:"))
            return NOT_FOUND if result is None else self._previews.of(result).answer
        if call.path == "/favicon":
            return Answer(favicon(call.query.get("site", "")), "image/png")
        if call.path == "/chip":
            return Answer(chip_picture(call.query.get("words", "")), "image/jpeg")
        if call.path == "/decoy":
            return Answer(decoy_picture(call.query.get("words", "")), "image/jpeg")
        return NOT_FOUND


def open_catalogue(settings: GallerySettings) -> Catalogue:
    """Return what these settings serve. Raises ClassListError."""
    if settings.pictures is not None:
        return Catalogue(folder_shelves(settings.pictures))
    if settings.classes is not None:
        classes = read_class_list(settings.classes)
    else:
        classes = tuple(SceneClass(name, (name,)) for name in SCENES)
    studio = Studio(settings.seed, settings.per_class)
    return Catalogue(
        drawn_shelves(
            classes,
            studio.originals,
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


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
