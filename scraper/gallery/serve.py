"""Serve a local replica of an image results page, for the `gallery` command and for tests."""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.class_list import SceneClass, read_class_list
from pipeline.durable import write_file
from pipeline.progress import Outcome, Output
from pipeline.signals import stop_on_request
from scraper.gallery import page
from scraper.gallery.catalogue import Catalogue, Result, drawn_shelves, folder_shelves
from scraper.gallery.drawing import Studio
from scraper.gallery.origin import NOT_FOUND, Answer, Origin, Request, serving
from scraper.gallery.ornaments import chip_picture, favicon
from scraper.gallery.scenes import SCENES
from scraper.gallery.settings import GallerySettings

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
_DEFAULTS = GallerySettings()


class Gallery:
    """A running gallery: where it is, what it serves and what was asked of it."""

    def __init__(self, settings: GallerySettings) -> None:
        """Listen on both ports. Raises SettingsError or ClassListError."""
        self._settings = settings
        self._catalogue = open_catalogue(settings)
        self.thumbs = Origin(0, self._respond_thumb)
        try:
            self.pages = Origin(settings.port, self._respond_page)
        except BaseException:
            self.thumbs.server_close()
            raise

    @property
    def search_url(self) -> str:
        """Return the template of the results page's address, with {query}."""
        return self.pages.url + "/search?q={query}"

    @property
    def requests(self) -> list[Request]:
        """Return every request to the pages and the thumbnails so far, oldest first."""
        both = [*self.pages.requests, *self.thumbs.requests]
        return sorted(both, key=lambda request: request.time)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes that are served."""
        return tuple(self._catalogue.shelves)

    def truth(self) -> dict[str, list[dict[str, str | None]]]:
        """Return per class a record of every result; draws every class.

        Keys: docid, url (of the thumbnail), page, title, sha256 (of the bytes), kind, and of: the
        docid of the original that it is a copy of.
        """
        shelves = self._catalogue.shelves.values()
        return {shelf.name: [self._record(result) for result in shelf.results] for shelf in shelves}

    def _record(self, result: Result) -> dict[str, str | None]:
        return {
            "docid": result.docid,
            "url": page.thumb_url(self.thumbs.url, result),
            "page": result.page,
            "title": result.title,
            "sha256": hashlib.sha256(self._catalogue.read(result)).hexdigest(),
            "kind": result.kind,
            "of": result.of,
        }

    def _respond_page(self, path: str, query: dict[str, str]) -> Answer:
        if path in {"/search", "/more"}:
            return self._respond_search(path, query)
        if path == "/truth.json":
            return Answer(_json(self.truth()), JSON)
        if path == "/":
            return Answer(page.start_page(self.class_names, self._view()).encode(), HTML)
        return NOT_FOUND

    def _respond_search(self, path: str, query: dict[str, str]) -> Answer:
        words = query.get("q", "")
        results = self._catalogue.find(words)
        if path == "/more":
            start = query.get("start", "")
            batch = self._batch(results, int(start) if start.isdecimal() else 0)
            return Answer(_json(page.later_batch(batch, self._view(query.get("eid")))), JSON)
        if not results:
            return Answer(page.empty_page(words, self._view()).encode(), HTML)
        options = {"automatic": self._settings.automatic, "delay_ms": self._settings.delay_ms}
        html = page.results_page(
            words, self._batch(results, 0), len(results), self._view(), options
        )
        return Answer(html.encode(), HTML)

    def _batch(self, results: Sequence[Result], start: int) -> page.Batch:
        end = start + self._settings.batch
        return page.Batch(start, results[start:end], self._catalogue.read)

    def _view(self, eid: str | None = None) -> page.View:
        return page.View(eid or secrets.token_urlsafe(12), self.thumbs.url)

    def _respond_thumb(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/images":
            result = self._catalogue.by_thumb(query.get("q", "").removeprefix("tbn:"))
            if result is None:
                return NOT_FOUND
            data = self._catalogue.read(result)
            return Answer(data, page.media_type(data))
        if path == "/favicon":
            return Answer(favicon(query.get("site", "")), "image/png")
        if path == "/chip":
            return Answer(chip_picture(query.get("words", "")), "image/jpeg")
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
    with serving(gallery.thumbs), serving(gallery.pages):
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
