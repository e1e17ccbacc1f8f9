"""A run without a browser: a reader that plays pages back, and everything it needs."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset, create_dataset
from sceneset.manifest.store import Manifest
from sceneset.progress import Bars
from sceneset.signals import StopRequest
from scraper.commands.scrape import collect
from scraper.engines.engine import ResultsPage, SearchResult
from scraper.http.client import Downloader
from scraper.page_state import PageState
from scraper.reader import Fetched, ResultBatch
from scraper.run.report import ClassResult
from scraper.run.session import CircuitBreaker, Run
from scraper.run.store import Tombstones
from scraper.settings import ScrapeSettings
from support.drawing import draw_jpeg

TEMPLATE = "https://search.example/?q={query}"
AT = "https://search.example/?q="
Page = list[str] | PageState | Exception


def result(name: str) -> SearchResult:
    """Return a result whose preview is at an address that ends in a number."""
    return SearchResult(name, f"https://site.example/{name}", name, "", f"https://t.example/{name}")


def picture(url: str) -> Fetched:
    """Return the drawn picture of an address."""
    return Fetched(draw_jpeg(zlib.crc32(url.encode())), 200)


@dataclass
class PlayedReader:
    """Play back a page per address: its results, a state, or what opening it raises."""

    pages: Mapping[str, Page | list[Page]]
    opened: list[str] = field(default_factory=list)
    during_batch: Callable[[], None] = lambda: None
    user_agent: str = "played"
    strategy: str = "played"
    closed: int = 0
    step: int = 10_000
    bodies: Callable[[str], Fetched] | None = picture
    _left: list[str] = field(default_factory=list)

    def open(self, url: str) -> PageState:
        """Load what is next at an address."""
        self.opened.append(url)
        page = self.pages.get(url, "nothing found")
        if isinstance(page, list) and page and not isinstance(page[0], str):
            page = page.pop(0) if len(page) > 1 else page[0]
        if isinstance(page, Exception):
            raise page
        if isinstance(page, str):
            return page
        self._left = list(page)  # type: ignore[arg-type]
        return "results"

    def next_batch(self) -> ResultBatch:
        """Give the next results."""
        self.during_batch()
        names, self._left = self._left[: self.step], self._left[self.step :]
        results, more = tuple(result(name) for name in names), bool(self._left)
        return ResultBatch(results, (), not more, more, False, not more, self.strategy)

    def body(self, url: str) -> Fetched | None:
        """Return a picture, when there are any."""
        return self.bodies(url) if self.bodies else None

    def snapshot(self) -> tuple[str, bytes]:
        """Return an empty page."""
        return "<html></html>", b"png"

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class NoDownload(Downloader):
    """Find nothing, politely."""

    def __init__(self, answer: Fetched) -> None:
        """Answer the same every time."""
        self.answer = answer
        self.requested: list[str] = []

    def __call__(self, url: str) -> Fetched:
        """Answer."""
        self.requested.append(url)
        return self.answer

    def close(self) -> None:
        """Nothing is open."""


class PlayedLauncher:
    """Hand out readers, made by a function."""

    def __init__(
        self, make: Callable[[], PlayedReader], download: NoDownload | None = None
    ) -> None:
        """Start nothing."""
        self.make = make
        self.readers: list[Any] = []
        self.download = download or NoDownload(Fetched(None))

    def new_reader(self) -> PlayedReader:
        """Make one more."""
        reader = self.make()
        self.readers.append(reader)
        return reader


@dataclass(kw_only=True)
class PlayedRun(Run):
    """A run whose readers are those of a launcher."""

    launcher: PlayedLauncher

    def __post_init__(self) -> None:
        """Share the launcher's readers."""
        super().__post_init__()
        self.readers = self.launcher.readers

    def new_reader(self) -> PlayedReader:
        """Make one more."""
        return self.launcher.new_reader()

    def new_downloader(self, user_agent: str) -> NoDownload:
        """Return the one download."""
        del user_agent
        return self.launcher.download


class PlayedBreaker(CircuitBreaker):
    """Note how long it is told to sleep, and sleep not at all."""

    def __init__(self, request: StopRequest, sleeps: list[float]) -> None:
        """Listen."""
        super().__init__(request)
        self.sleeps = sleeps

    def sleep(self, seconds: float) -> None:
        """Note it."""
        self.sleeps.append(seconds)


ENGINE = ResultsPage(name="played", template=TEMPLATE, terms="none", strategies=())


@dataclass
class Stage:
    """A data set and what is needed to run on it again and again."""

    root: Path
    launcher: PlayedLauncher
    engine: ResultsPage = ENGINE
    sleeps: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    request: StopRequest = field(default_factory=StopRequest)
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker(StopRequest()))

    def scrape(self, *lines: tuple[str, tuple[str, ...]], **more: object) -> dict[str, ClassResult]:
        """Run once over classes given as (name, queries)."""
        settings = ScrapeSettings(dataset=self.root, pause=0, **more)  # type: ignore[arg-type]
        classes = tuple(SceneClass(name, queries) for name, queries in lines)
        dataset = create_dataset(self.root)
        with self._run(settings, dataset, classes) as (run, ids):
            return collect(run, classes, ids, Bars(None))

    @contextmanager
    def _run(
        self, settings: ScrapeSettings, dataset: Dataset, classes: tuple[SceneClass, ...]
    ) -> Iterator[tuple[Run, dict[str, int]]]:
        self.breaker = PlayedBreaker(self.request, self.sleeps)
        with Manifest(dataset.manifest_path) as manifest:
            ids = manifest.adopt_classes(classes)
            run = PlayedRun(
                settings=settings,
                dataset=dataset,
                run_id=manifest.start_run("scrape", {}, {}),
                engine=self.engine,
                tombstones=Tombstones.of(manifest.tombstones()),
                breaker=self.breaker,
                say=self.said.append,
                launcher=self.launcher,
            )
            yield run, ids


def stage(tmp_path: Path, pages: dict[str, object], engine: ResultsPage = ENGINE) -> Stage:
    """Return a stage with one reader of these pages."""
    reader = PlayedReader(pages)  # type: ignore[arg-type]
    return Stage(tmp_path / "set", PlayedLauncher(lambda: reader), engine)


def opened(played: Stage) -> list[str]:
    """Return every address that was loaded, readers that are one counted once."""
    return next(iter(played.launcher.readers)).opened if played.launcher.readers else []


def names(start: int, number: int) -> list[str]:
    """Return the ids of some results."""
    return [f"r{n}" for n in range(start, start + number)]
