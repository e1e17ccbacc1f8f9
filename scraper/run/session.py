"""Hold what the workers of one run share: settings, rate, the readers they start, when to stop."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING

from sceneset.dataset import Dataset
from sceneset.signals import StopRequest
from scraper.browser.chromedriver import DriverChoice, choose, fetchers
from scraper.engines.api import ApiEngine
from scraper.engines.engine import Engine, ResultsPage
from scraper.http.rate_limit import RateLimiter
from scraper.reader import ResultsReader
from scraper.run.harvest import StopReason
from scraper.run.store import Tombstones
from scraper.settings import ScrapeSettings

if TYPE_CHECKING:
    from scraper.http.client import Downloader

UNREACHABLE_IN_A_ROW = 3
SLICE_S = 0.1
_HITS_EVERY_CLASS = frozenset({"blocked", "consent", "interrupted"})


class CircuitBreaker:
    """Decide when a whole run must end; safe to use from any thread."""

    def __init__(self, request: StopRequest) -> None:
        """Listen to the user's request to stop."""
        self._request = request
        self._recorded: StopReason | None = None
        self._unreachable = 0
        self._lock = Lock()

    @property
    def reason(self) -> StopReason | None:
        """Return why no further page may be loaded, None while all is well."""
        return "interrupted" if self._request else self._recorded

    def record(self, reason: StopReason) -> None:
        """Take in why a class ended.

        A block or an unanswered consent would hit every other class too; one class that cannot
        be reached need not, three in a row do.
        """
        with self._lock:
            self._unreachable = self._unreachable + 1 if reason == "unreachable" else 0
            if reason in _HITS_EVERY_CLASS or self._unreachable >= UNREACHABLE_IN_A_ROW:
                self._recorded = self._recorded or reason

    def sleep(self, seconds: float) -> None:
        """Sleep in slices, so that the end of the run is heard at once."""
        end = monotonic() + seconds
        while not self.reason and monotonic() < end:
            sleep(min(SLICE_S, max(0.0, end - monotonic())))


@dataclass
class Launcher:
    """Start readers and downloaders; browsers start one after another, with one driver.

    `before_load` keeps the rate of page loads, `sleep` sleeps; `readers` are all that came up.
    """

    settings: ScrapeSettings
    engine: Engine
    before_load: Callable[[], None]
    sleep: Callable[[float], None]
    readers: list[ResultsReader] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def new_reader(self) -> ResultsReader:
        """Start a reader of the engine. Raises BrowserMissingError or BrowserLost."""
        with self._lock:
            reader = self._start()
            self.readers.append(reader)
        return reader

    def new_downloader(self, user_agent: str) -> "Downloader":
        """Return what fetches a preview with one polite request."""
        from scraper.http.client import Downloader  # noqa: PLC0415  requests loads here only

        return Downloader(
            user_agent,
            allow_private=self._private,
            sleep=self.sleep,
            before_request=self._preview_rate.acquire,
        )

    def close_all(self) -> None:
        """Close every reader at once: commands that wait for one end as lost."""
        for reader in self.readers:
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
            started = local_driver(self._driver, headful=settings.headful)
        return PageReader(Browser(started), engine)

    def _api_reader(self, engine: ApiEngine) -> ResultsReader:
        from scraper.http.api_results import ApiReader, user_agent  # noqa: PLC0415  requests
        from scraper.http.client import BoundedSession  # noqa: PLC0415  loads with it
        from scraper.http.ssrf import Guard  # noqa: PLC0415  loads with it

        agent = user_agent(self.settings.contact)
        session = BoundedSession(agent, "gzip", Guard(self._private))
        return ApiReader(engine, session, wait=self.before_load, sleep=self.sleep)

    @cached_property
    def _driver(self) -> DriverChoice:
        return choose(self.settings.driver, os.environ, shutil.which, fetchers=fetchers)

    @cached_property
    def _private(self) -> bool:
        """Say whether the results come from this machine or a private network."""
        from scraper.http.ssrf import is_private_site  # noqa: PLC0415  requests

        return is_private_site(self.settings.search_url or self.engine.template)

    @cached_property
    def _preview_rate(self) -> RateLimiter:
        """Return the rate of previews that the source asks for; a replica asks for none."""
        limit = self.engine.previews_per_minute if self.settings.search_url is None else None
        return RateLimiter(0.0, limit, monotonic, self.sleep, random.Random(0))  # noqa: S311  no secrets


@dataclass(frozen=True)
class Run:
    """What the workers of one run share."""

    settings: ScrapeSettings
    dataset: Dataset
    run_id: int
    engine: Engine
    tombstones: Tombstones
    rate: RateLimiter
    breaker: CircuitBreaker
    say: Callable[[str], None]
    sleep: Callable[[float], None]
    launcher: Launcher
