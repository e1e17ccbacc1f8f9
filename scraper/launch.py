"""Start what an engine is read with: a browser with a driver that fits, or a client of its API."""

import os
import platform
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from threading import Lock
from time import monotonic

from scraper.driver import Choice, choose, fetchers
from scraper.engines.api import ApiEngine
from scraper.engines.engine import Engine
from scraper.engines.results_page import ResultsPage
from scraper.harvest import ResultsReader
from scraper.politeness import Pace
from scraper.public_address import is_private_site
from scraper.run import Download
from scraper.settings import ScrapeSettings

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
        from scraper.download import Downloader  # noqa: PLC0415  requests loads here only

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
        from scraper.browser import Browser, grid_driver, local_driver  # noqa: PLC0415  Selenium
        from scraper.page_reader import PageReader  # noqa: PLC0415  loads with it

        settings = self.settings
        if settings.grid is not None:
            started = grid_driver(settings.grid, headful=settings.headful)
        else:
            started = local_driver(self._choice, headful=settings.headful)
        return PageReader(Browser(started), engine)

    def _api_reader(self, engine: ApiEngine) -> ResultsReader:
        from scraper.api_reader import ApiReader, HttpClient, user_agent  # noqa: PLC0415  requests

        client = HttpClient(user_agent(self.settings.contact), allow_private=self._private)
        return ApiReader(engine, client, wait=self.before_load, nap=self.nap)

    @cached_property
    def _choice(self) -> Choice:
        return choose(self.settings.driver, os.environ, shutil.which, fetchers=fetchers)

    @cached_property
    def _private(self) -> bool:
        """Say whether the results come from this machine or a private network."""
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
