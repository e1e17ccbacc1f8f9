"""Hold what the workers of one run share: settings, pace, the readers they start, when to stop."""

import os
import platform
import random
import shutil
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from importlib import metadata
from threading import Lock
from time import monotonic
from typing import Protocol

from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset
from sceneset.progress import Bar
from sceneset.signals import StopRequest
from scraper.browser.chromedriver import Choice, choose, fetchers
from scraper.engines.api import ApiEngine
from scraper.engines.engine import Engine, variants_of
from scraper.engines.results_page import ResultsPage
from scraper.http.rate_limit import Pace
from scraper.reader import Fetched, ResultsReader
from scraper.run.harvest import StopReason
from scraper.run.store import ClassStore, Refused
from scraper.settings import ScrapeSettings

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


class Download(Protocol):
    """Fetch one preview with one polite request."""

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none."""

    def close(self) -> None:
        """Close the connections."""


class Readers(Protocol):
    """Where workers get what they read with."""

    @property
    def has_started(self) -> bool:
        """Say whether any reader came up in this run."""

    def new_reader(self) -> ResultsReader:
        """Start a reader of the engine. Raises BrowserMissingError or BrowserLost."""

    def new_downloader(self, user_agent: str) -> Download:
        """Return what fetches a preview with one polite request."""

    def end_all(self) -> None:
        """End every reader at once, whatever it is doing."""


@dataclass(frozen=True)
class Run:
    """What the workers of one run share."""

    settings: ScrapeSettings
    dataset: Dataset
    run_id: int
    engine: Engine
    refused: Refused
    pace: Pace
    halt: Halt
    say: Callable[[str], None]
    nap: Callable[[float], None]
    launcher: Readers

    def addresses(self, query: str) -> list[str]:
        """Return the address of a query and, when asked for, those of its variants."""
        settings = self.settings
        asked = settings.search.asked()
        plan = [asked, *variants_of(self.engine, asked)] if settings.variants else [asked]
        found = (self.engine.address(query, options, settings.search_url) for options in plan)
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Search:
    """One address to work through for one class, until a deadline on the monotonic clock, in s."""

    scene_class: SceneClass
    query: str
    address: str
    store: ClassStore
    bar: Bar
    _: KW_ONLY
    deadline: float
    is_variant: bool

    def begin(self) -> None:
        """Start counting ranks: at 1, or for a variant after what its query has shown so far."""
        self.store.begin(self.query, after_known=self.is_variant)


END_S = 10


@dataclass
class Launcher:
    """Start readers and downloaders; browsers start one after another, with one driver.

    `before_load` keeps the pace of page loads, `nap` sleeps.
    """

    settings: ScrapeSettings
    engine: Engine
    before_load: Callable[[], None]
    nap: Callable[[float], None]
    _lock: Lock = field(default_factory=Lock)
    _readers: list[ResultsReader] = field(default_factory=list)

    @property
    def has_started(self) -> bool:
        """Say whether any reader came up in this run."""
        return bool(self._readers)

    def new_reader(self) -> ResultsReader:
        """Start a reader of the engine. Raises BrowserMissingError or BrowserLost."""
        with self._lock:
            reader = self._start()
            self._readers.append(reader)
        return reader

    def new_downloader(self, user_agent: str) -> Download:
        """Return what fetches a preview with one polite request."""
        from scraper.http.previews import Downloader  # noqa: PLC0415  requests loads here only

        return Downloader(
            user_agent,
            allow_private=self._private,
            sleep=self.nap,
            before_request=self._preview_pace.before_load,
        )

    def end_all(self) -> None:
        """End every reader at once: commands that wait for one end as lost."""
        for reader in self._readers:
            reader.close()

    def _start(self) -> ResultsReader:
        if isinstance(self.engine, ResultsPage):
            return self._page_reader(self.engine)
        if isinstance(self.engine, ApiEngine):
            return self._api_reader(self.engine)
        raise TypeError(self.engine)

    def _page_reader(self, engine: ResultsPage) -> ResultsReader:
        from scraper.browser.driver import Browser, grid_driver, local_driver  # noqa: PLC0415  Selenium
        from scraper.browser.results_page import PageReader  # noqa: PLC0415  loads with it

        settings = self.settings
        if settings.grid is not None:
            started = grid_driver(settings.grid, headful=settings.headful)
        else:
            started = local_driver(self._choice, headful=settings.headful)
        return PageReader(Browser(started), engine)

    def _api_reader(self, engine: ApiEngine) -> ResultsReader:
        from scraper.http.api_results import ApiReader, HttpClient, user_agent  # noqa: PLC0415  requests

        client = HttpClient(user_agent(self.settings.contact), allow_private=self._private)
        return ApiReader(engine, client, wait=self.before_load, nap=self.nap)

    @cached_property
    def _choice(self) -> Choice:
        return choose(self.settings.driver, os.environ, shutil.which, fetchers=fetchers)

    @cached_property
    def _private(self) -> bool:
        """Say whether the results come from this machine or a private network."""
        from scraper.http.ssrf import is_private_site  # noqa: PLC0415  requests

        return is_private_site(self.settings.search_url or self.engine.template)

    @cached_property
    def _preview_pace(self) -> Pace:
        """Return the pace of previews that the source asks for; a replica asks for none."""
        limit = self.engine.previews_per_minute if isinstance(self.engine, ApiEngine) else None
        if self.settings.search_url is not None:
            limit = None
        return Pace(0.0, limit, monotonic, self.nap, random.Random(0))  # noqa: S311  no secrets


def versions() -> dict[str, str]:
    """Return the versions of what a scrape depends on."""
    names = ("selenium", "requests", "pillow")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
