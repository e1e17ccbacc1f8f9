"""Start a browser with a driver that fits, and say what a scrape depends on."""

import os
import platform
import shutil
from importlib import metadata

from scraper.driver import FETCHERS, choose
from scraper.engines.results_page import ResultsPage
from scraper.harvest import ResultsReader
from scraper.page_reader import PageReader
from scraper.settings import ScrapeSettings


def start_browser(settings: ScrapeSettings, engine: ResultsPage) -> ResultsReader:
    """Start Chromium with a driver that fits. Raises BrowserMissingError or BrowserLost."""
    choice = choose(settings.driver, os.environ, shutil.which, fetchers=FETCHERS)
    from scraper.browser import Browser  # noqa: PLC0415  Selenium loads here only

    return PageReader(Browser(choice, headful=settings.headful), engine)


def versions() -> dict[str, str]:
    """Return the versions of what a scrape depends on."""
    names = ("selenium", "requests", "pillow")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
