"""Drive headless Chromium: the only file that starts Selenium.

Chromium is tied to its driver by a pipe and, on Linux, the driver to this process by the
parent-death signal, so that nothing outlives us however we end (measured: all gone in 0.21 s).
"""

import base64
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from selenium.common.exceptions import (
    InvalidSessionIdException,
    NoSuchWindowException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver import Chrome
from urllib3.exceptions import HTTPError

from scraper.chromium import chromium_options, driver_service
from scraper.driver import Choice
from scraper.engines.results_page import ResultsPage
from scraper.harvest import BrowserLost, Found, Stretch, Unreachable
from scraper.network_log import NetworkLog
from scraper.page_state import PageFacts, PageState, page_state
from scraper.previews import Fetched
from scraper.profiles import new_profile

PAGE_LOAD_S = 30
SCRIPT_S = 30
STRETCH_MS = 6000
PATIENCE_MS = 1200
BATCH = 100
COMMAND_S = 45
QUIT_S = 5
HTTP_ERRORS = 400
BUFFER_BYTES = 200_000_000
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
        self._service = driver_service(choice.driver)
        try:
            self._driver = Chrome(
                options=chromium_options(choice.browser, self._profile, headful=headful),
                service=self._service,
            )
        except (WebDriverException, HTTPError, OSError) as error:
            self._sweep()
            raise BrowserLost(_first_line(error)) from error
        connection: Any = self._driver.command_executor
        connection.client_config.timeout = COMMAND_S
        try:
            self._guard(self._prepare)
        except BaseException:
            self.close()
            raise

    @property
    def user_agent(self) -> str:
        """Return the browser's own user agent."""
        return str(self._guard(lambda: self._driver.execute_script("return navigator.userAgent")))

    def open(self, url: str) -> PageState:
        """Load a page and say what it is.

        Raises Unreachable when nothing answers, BrowserLost when the browser died.
        """
        self._read_log()  # what the last page still did
        self._log.clear()
        try:
            self._driver.get(url)
        except TimeoutException as error:
            if not self._is_readable():
                raise Unreachable(f"no answer within {PAGE_LOAD_S} s") from error
        except WebDriverException as error:
            if "net::ERR_" in str(error):
                raise Unreachable(_first_line(error)) from error
            raise BrowserLost(_first_line(error)) from error
        except HTTPError as error:
            raise BrowserLost(_first_line(error)) from error
        self._read_log()
        # An error status without a body is shown as an error page too, but it is an answer.
        if self._log.page_status is None and not self._is_readable():
            raise Unreachable("the browser shows its own error page")
        return page_state(self._facts())

    def _is_readable(self) -> bool:
        """Stop loading and say whether a page of the web stands there."""
        script = "window.stop(); return location.protocol + document.readyState"
        told = str(self._guard(lambda: self._driver.execute_script(script)))
        return told.startswith("http") and not told.endswith("loading")

    def _facts(self) -> PageFacts:
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
        except (WebDriverException, HTTPError) as error:
            if _is_gone(error):
                raise BrowserLost(_first_line(error)) from error
            return None
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

    def _prepare(self) -> None:
        self._driver.set_page_load_timeout(PAGE_LOAD_S)
        self._driver.set_script_timeout(SCRIPT_S)
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


def _is_gone(error: Exception) -> bool:
    """Say whether the browser died, rather than refused one command."""
    gone = (InvalidSessionIdException, NoSuchWindowException, HTTPError)
    signs = ("disconnected", "crashed", "not reachable")
    return isinstance(error, gone) or any(sign in str(error) for sign in signs)


def _found(record: dict[str, Any]) -> Found:
    return Found(record["id"], record["page"], record["title"], record["site"], record["src"])


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return str(text).splitlines()[0] if text else type(error).__name__
