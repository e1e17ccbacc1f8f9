"""Drive headless Chromium: the only file that starts Selenium.

Chromium is tied to its driver by a pipe and the driver to this process by the parent-death
signal, so that nothing outlives us however we end (measured: all gone within 0.21 s).
"""

import base64
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from urllib3.exceptions import HTTPError

from pipeline.signals import end_with_parent
from scraper.driver import Choice
from scraper.engines.results_page import ResultsPage
from scraper.harvest import BrowserLost, Found, Stretch, Unreachable
from scraper.network_log import NetworkLog
from scraper.page_state import PageFacts
from scraper.previews import Fetched
from scraper.profiles import new_profile

WINDOW = "1600,1400"
PAGE_LOAD_S = 30
SCRIPT_S = 30
STRETCH_MS = 6000
PATIENCE_MS = 1200
BATCH = 100
COMMAND_S = 45
QUIT_S = 5
HTTP_ERRORS = 400
BUFFER_BYTES = 200_000_000
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    f"--window-size={WINDOW}",
)
_SCRIPTS = Path(__file__).parent
Value = TypeVar("Value")


class ChromiumPage:
    """A headless Chromium that reads one results page at a time."""

    def __init__(self, choice: Choice, page: ResultsPage, *, headful: bool = False) -> None:
        """Start driver and browser. Raises BrowserLost when they do not come up."""
        self._engine = page
        self._profile = new_profile(Path(tempfile.gettempdir()))
        self._log = NetworkLog()
        self._read_page = (_SCRIPTS / "read_page.js").read_text(encoding="utf-8")
        self._page_facts = (_SCRIPTS / "page_facts.js").read_text(encoding="utf-8")
        self._service = _service(choice.driver)
        try:
            self._driver = Chrome(
                options=_options(choice.browser, self._profile, headful=headful),
                service=self._service,
            )
        except (WebDriverException, HTTPError, OSError) as error:
            self._sweep()
            raise BrowserLost(_first_line(error)) from error
        connection: Any = self._driver.command_executor
        connection.client_config.timeout = COMMAND_S
        self._driver.set_page_load_timeout(PAGE_LOAD_S)
        self._driver.set_script_timeout(SCRIPT_S)
        self._guard(self._watch_network)

    @property
    def user_agent(self) -> str:
        """Return the browser's own user agent."""
        return str(self._guard(lambda: self._driver.execute_script("return navigator.userAgent")))

    def open(self, url: str) -> None:
        """Load a page. Raises Unreachable when nothing answers, BrowserLost when it died."""
        self._log.clear()
        try:
            self._driver.get(url)
            if self._driver.execute_script("return location.protocol") == "chrome-error:":
                raise Unreachable("the browser shows its own error page")
        except TimeoutException as error:
            raise Unreachable(f"no answer within {PAGE_LOAD_S} s") from error
        except WebDriverException as error:
            if "net::ERR_" in str(error):
                raise Unreachable(_first_line(error)) from error
            raise BrowserLost(_first_line(error)) from error
        except HTTPError as error:
            raise BrowserLost(_first_line(error)) from error

    def facts(self) -> PageFacts:
        """Say what kind of page it is."""
        strategies = [asdict(strategy) for strategy in self._engine.strategies]
        facts: dict[str, Any] = self._guard(
            lambda: self._driver.execute_script(self._page_facts, strategies)
        )
        self._read_log()
        return PageFacts(**facts, status=self._log.page_status)

    def stretch(self) -> Stretch:
        """Scroll one stretch and report it. Raises BrowserLost."""
        engine = self._engine
        settings = {
            "strategies": [
                {"name": s.name, "item": s.item, "id": s.id_attribute} for s in engine.strategies
            ],
            "more": engine.more_controls,
            "endTexts": engine.end_texts,
            "batch": BATCH,
            "milliseconds": STRETCH_MS,
            "patience": PATIENCE_MS,
        }
        report: dict[str, Any] = self._guard(
            lambda: self._driver.execute_async_script(self._read_page, settings)
        )
        if "error" in report:
            raise BrowserLost(report["error"])
        self._read_log()
        return Stretch(
            found=tuple(_found(record) for record in report["records"]),
            unloaded=tuple(_found(record) for record in report["unloaded"]),
            at_bottom=report["bottom"],
            grew=report["grew"],
            clicked=report["clicked"],
            end_shown=report["end"],
            strategy=report["strategy"],
        )

    def body(self, url: str) -> Fetched | None:
        """Return the bytes the browser received for an address, None when it never asked."""
        request = self._log.find(url)
        if request is None:
            return None
        request_id, status = request
        try:
            answer = self._driver.execute_cdp_cmd(
                "Network.getResponseBody", {"requestId": request_id}
            )
        except WebDriverException:
            return None
        except HTTPError as error:
            raise BrowserLost(_first_line(error)) from error
        body = answer["body"]
        data = base64.b64decode(body) if answer["base64Encoded"] else body.encode()
        return (
            Fetched(data, status)
            if (status or 200) < HTTP_ERRORS
            else Fetched(None, status, "http_error")
        )

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it."""
        driver = self._driver
        return self._guard(lambda: (driver.page_source, driver.get_screenshot_as_png()))

    def close(self) -> None:
        """End browser and driver, by force after five seconds; remove the profile."""
        thread = Thread(target=self._quit, daemon=True)
        thread.start()
        thread.join(QUIT_S)
        self._sweep()

    def _quit(self) -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            self._driver.quit()

    def _sweep(self) -> None:
        process = getattr(self._service, "process", None)
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.poll()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _watch_network(self) -> None:
        self._driver.execute_cdp_cmd(
            "Network.enable",
            {"maxTotalBufferSize": BUFFER_BYTES, "maxResourceBufferSize": BUFFER_BYTES // 10},
        )

    def _read_log(self) -> None:
        driver: Any = self._driver
        self._log.read(self._guard(lambda: driver.get_log("performance")))

    def _guard(self, command: Callable[[], Value]) -> Value:
        try:
            return command()
        except (WebDriverException, HTTPError) as error:
            raise BrowserLost(_first_line(error)) from error


def _found(record: dict[str, Any]) -> Found:
    return Found(record["id"], record["page"], record["title"], record["site"], record["src"])


def _options(browser: str | None, profile: Path, *, headful: bool) -> ChromeOptions:
    options = ChromeOptions()
    for flag in _FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    if not headful:
        options.add_argument("--headless=new")
    if sys.platform == "linux" and os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    if browser:
        options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return options


def _service(driver: str) -> Service:
    service = Service(popen_kw={"start_new_session": True, "preexec_fn": end_with_parent})
    service.path = driver
    return service


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return str(text).splitlines()[0] if text else type(error).__name__
