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
from scraper.engines.engine import ResultsPage
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


@dataclass
class CircuitBreaker:
    """Decide when a whole run must end, also at the user's request; safe to use from any thread."""

    request: StopRequest
    _recorded: StopReason | None = None
    _unreachable: int = 0
    _lock: Lock = field(default_factory=Lock)

    @property
    def reason(self) -> StopReason | None:
        """Return why no further page may be loaded, None while all is well."""
        return "interrupted" if self.request else self._recorded

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


@dataclass(kw_only=True)
class Run:
    """What the workers of one run share, and how each gets its reader and its downloader.

    Browsers start one after another, with one driver; `readers` are all that came up. `rate` is that
    of page loads; previews have the one that the source asks for, a replica asks for none.
    """

    settings: ScrapeSettings
    dataset: Dataset
    run_id: int
    engine: ResultsPage | ApiEngine
    tombstones: Tombstones
    breaker: CircuitBreaker
    say: Callable[[str], None]
    readers: list[ResultsReader] = field(default_factory=list)
    rate: RateLimiter = field(init=False)
    _preview_rate: RateLimiter = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        """Keep one rate for all workers."""
        settings, breaker = self.settings, self.breaker
        pauses = random.Random(settings.seed)  # noqa: S311  no secrets
        self.rate = RateLimiter(
            settings.pause, settings.loads_per_minute, monotonic, breaker.sleep, pauses
        )
        limit = self.engine.previews_per_minute if settings.search_url is None else None
        none = random.Random(0)  # noqa: S311  no secrets
        self._preview_rate = RateLimiter(0.0, limit, monotonic, breaker.sleep, none)

    def new_reader(self) -> ResultsReader:
        """Start a reader of the engine. Raises BrowserMissingError or BrowserLost."""
        with self._lock:
            if isinstance(self.engine, ResultsPage):
                reader = self._page_reader(self.engine)
            else:
                reader = self._api_reader(self.engine)
            self.readers.append(reader)
        return reader

    def new_downloader(self, user_agent: str) -> "Downloader":
        """Return what fetches a preview with one polite request."""
        from scraper.http.client import Downloader  # noqa: PLC0415  requests loads here only

        return Downloader(
            user_agent,
            allow_private=self._private,
            sleep=self.breaker.sleep,
            before_request=self._preview_rate.acquire,
        )

    def close_all(self) -> None:
        """Close every reader at once: commands that wait for one end as lost."""
        for reader in self.readers:
            reader.close()

    def _page_reader(self, engine: ResultsPage) -> ResultsReader:
        from scraper.browser import driver, results_page  # noqa: PLC0415  Selenium

        settings = self.settings
        if settings.grid is not None:
            browser = driver.Browser(driver.grid_driver(settings.grid, headful=settings.headful))
        else:
            local = driver.local_driver(self._driver, headful=settings.headful)
            browser = driver.Browser(*local)
        return results_page.PageReader(browser, engine)

    def _api_reader(self, engine: ApiEngine) -> ResultsReader:
        from scraper.http import client, ssrf  # noqa: PLC0415  requests

        agent = client.user_agent(self.settings.contact)
        session = client.BoundedSession(agent, "gzip", ssrf.Guard(self._private))
        return client.ApiReader(engine, session, wait=self.rate.acquire, sleep=self.breaker.sleep)

    @cached_property
    def _driver(self) -> DriverChoice:
        return choose(self.settings.driver, os.environ, shutil.which, fetchers=fetchers)

    @cached_property
    def _private(self) -> bool:
        """Say whether the results come from this machine or a private network."""
        from scraper.http.ssrf import is_private_site  # noqa: PLC0415  requests

        return is_private_site(self.settings.search_url or self.engine.template)
