"""Drive headless Chromium: the only file that starts Selenium.

Chromium is tied to its driver by a pipe, and both to this process by a watchdog and, on Linux, by the
parent-death signal, so that neither a process nor a profile outlives us however we end.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, TypeVar

from selenium.common.exceptions import (
    InvalidSessionIdException,
    NoSuchWindowException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.client_config import ClientConfig
from urllib3.exceptions import HTTPError

from sceneset.errors import first_line
from sceneset.signals import end_with_parent
from scraper.browser.chromedriver import DriverChoice
from scraper.reader import BrowserLost, Unreachable

WINDOW = "1600,1400"
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    f"--window-size={WINDOW}",
)


PROFILE_PREFIX = "sceneset-browser-"
LIST_S = 5
END_S = 5
PAUSE_S = 0.02
RELEASE_S = 5
# A line says that all is cleaned up already; the end of the pipe without one, that we died.
_WATCHDOG = """
read -r _ && exit
kill -s KILL -- "-$1" 2>/dev/null
rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"""


def watchdog(group: int, profile: Path) -> subprocess.Popen[bytes]:
    """End a driver's process group and remove its profile if this process dies, however it dies.

    `group` is the id of the group. A line to the shell says that nothing is left to clean up. It has
    a session of its own, so that no signal of the terminal reaches it.
    """
    return subprocess.Popen(  # noqa: S603  fixed words, a number and our own folder
        ["/bin/sh", "-c", _WATCHDOG, "sh", str(group), str(profile)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def new_profile(folder: Path) -> Path:
    """Make a profile named after this process, after removing those of dead ones.

    On Linux browsers end with the run that started them; elsewhere a killed run leaves them: they
    are killed here.
    """
    orphaned = [
        profile
        for profile in folder.glob(f"{PROFILE_PREFIX}*-*")
        if (owner := profile.name.removeprefix(PROFILE_PREFIX).partition("-")[0]).isdecimal()
        and isinstance(_refused(int(owner), 0), ProcessLookupError)
    ]
    if orphaned:
        end_users(orphaned)
    for profile in orphaned:
        shutil.rmtree(profile, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PROFILE_PREFIX}{os.getpid()}-", dir=folder))


def running_processes() -> list[tuple[int, str]]:
    """Return (id, command line) of every process; none where `ps` is missing."""
    words = ["ps", "-axww", "-o", "pid=,command="]
    try:
        listed = subprocess.run(  # noqa: S603  fixed words
            words, capture_output=True, text=True, timeout=LIST_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    pairs = (line.strip().partition(" ") for line in listed.splitlines())
    return [(int(pid), command) for pid, _, command in pairs if pid.isdecimal()]


def end_users(
    profiles: Iterable[Path],
    processes: Callable[[], Iterable[tuple[int, str]]] = running_processes,
) -> None:
    """Kill what still uses one of the profiles until nothing does, for at most END_S.

    A killed browser lives on while its memory is given back, and writes into a folder just removed.
    """
    options = {f"--user-data-dir={profile}" for profile in profiles}
    until = monotonic() + END_S
    while users := [pid for pid, command in processes() if options & set(command.split())]:
        refused = [_refused(process_id, signal.SIGKILL) for process_id in users]
        if all(isinstance(error, PermissionError) for error in refused) or monotonic() > until:
            return
        sleep(PAUSE_S)


def _refused(process_id: int, number: int) -> OSError | None:
    """Send a signal, 0 for none; return why it cannot be sent: no such process, or not ours."""
    try:
        os.kill(process_id, number)
    except OSError as error:
        return error
    return None


def chromium_options(browser: str | None, profile: Path, *, headful: bool) -> ChromeOptions:
    """Return the options of a browser that is quiet, tied to its driver and has its own profile."""
    options = grid_options(headful=headful)
    options.add_argument("--remote-debugging-pipe")
    options.add_argument(f"--user-data-dir={profile}")
    if sys.platform == "linux" and os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    if browser:
        options.binary_location = browser
    return options


def grid_options(*, headful: bool) -> ChromeOptions:
    """Return the options of a quiet browser on a machine that is not ours."""
    options = ChromeOptions()
    for flag in _FLAGS:
        options.add_argument(flag)
    if not headful:
        options.add_argument("--headless=new")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return options


def driver_service(driver: str) -> Service:
    """Return a driver that hears no Ctrl-C of the terminal and ends with us."""
    service = Service(popen_kw={"start_new_session": True, "preexec_fn": end_with_parent})
    service.path = driver
    return service


PAGE_LOAD_S = 15
SCRIPT_S = 15
COMMAND_S = 20
QUIT_S = 5
BUFFER_BYTES = 200_000_000
Value = TypeVar("Value")


def local_driver(
    choice: DriverChoice, *, headful: bool = False, patience: float = COMMAND_S
) -> tuple[Remote, Callable[[], None]]:
    """Start a driver and its browser on this machine; no command takes longer than `patience`, in s.

    The function that comes with it ends both, and all they started, by force. Raises BrowserLost
    when they do not come up.
    """
    profile = new_profile(Path(tempfile.gettempdir()))
    service = driver_service(choice.driver)
    watchdogs: list[subprocess.Popen[bytes]] = []

    def sweep() -> None:
        """Kill the driver and its browser, stopped ones too; remove the profile."""
        process = getattr(service, "process", None)
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(QUIT_S)
            end_users([profile])
        shutil.rmtree(profile, ignore_errors=True)
        while watchdogs:
            with suppress(OSError, subprocess.TimeoutExpired):
                watchdogs.pop().communicate(b"\n", timeout=RELEASE_S)

    try:
        service.start()
        watchdogs.append(watchdog(service.process.pid, profile))
        options = chromium_options(choice.browser, profile, headful=headful)
        return _connect(service.service_url, options, patience, ours=True), sweep
    except (WebDriverException, HTTPError, OSError) as error:
        sweep()
        raise BrowserLost(_problem(error)) from error
    except BaseException:
        sweep()
        raise


def grid_driver(url: str, *, headful: bool = False) -> Remote:
    """Start a browser on a Selenium Grid. Raises BrowserLost when it does not come up."""
    try:
        return _connect(url, grid_options(headful=headful), COMMAND_S, ours=False)
    except (WebDriverException, HTTPError, OSError) as error:
        raise BrowserLost(f"the Grid at {url} gives no browser: {_problem(error)}") from error


def _connect(url: str, options: ChromeOptions, patience: float, *, ours: bool) -> Remote:
    # A command that is not answered in time would be sent three times more.
    once = {"init_args_for_pool_manager": {"retries": False}}
    config = ClientConfig(remote_server_addr=url, init_args_for_pool_manager=once)
    config.timeout = patience
    connection = ChromeRemoteConnection(url, ignore_proxy=ours, client_config=config)
    return Remote(command_executor=connection, options=options)


class Browser:
    """A Chromium; every command ends within COMMAND_S or raises BrowserLost."""

    def __init__(self, driver: Remote, sweep: Callable[[], None] | None = None) -> None:
        """Prepare a browser that runs; `sweep` ends it by force. Raises BrowserLost."""
        self._driver = driver
        self._sweep = sweep
        self._lost = False
        self._closed = Lock()  # taken once
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
        except (WebDriverException, HTTPError) as error:
            if "net::ERR_" in str(error):
                raise Unreachable(_problem(error)) from error
            raise self._loss(error) from error
        return True

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        """Run a script in the page and return its value."""
        return self._guard(lambda: self._driver.execute_script(script, *arguments))

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  what scripts return
        """Run a script that calls back, within SCRIPT_S, and return what it calls back with."""
        return self._guard(lambda: self._driver.execute_async_script(script, *arguments))

    def network_log(self) -> Sequence[Mapping[str, Any]]:
        """Return the log of DevTools messages since the last call."""
        answer = self._guard(lambda: self._driver.execute("getLog", {"type": "performance"}))
        entries: list[dict[str, Any]] = answer["value"]
        return entries

    def response_body(self, request_id: str) -> bytes | None:
        """Return the bytes that were received for a request, None when they are gone."""
        try:
            answer = self._driver.execute_cdp_cmd(
                "Network.getResponseBody", {"requestId": request_id}
            )
        except (WebDriverException, HTTPError) as error:
            if _is_gone(error):
                raise self._loss(error) from error
            return None
        body = answer["body"]
        return base64.b64decode(body) if answer["base64Encoded"] else str(body).encode()

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's HTML and a PNG of it, which is empty when it cannot be drawn."""
        html = self._guard(lambda: self._driver.page_source)
        try:
            return html, self._driver.get_screenshot_as_png()
        except (WebDriverException, HTTPError):
            return html, b""

    def close(self) -> None:
        """End browser and driver, by force after five seconds or when they are lost.

        A browser of a Grid always gets the command to quit, so that its slot is free again.
        """
        if not self._closed.acquire(blocking=False):
            return
        if not self._lost or self._sweep is None:
            thread = Thread(target=self._quit, daemon=True)
            thread.start()
            thread.join(QUIT_S)
        if self._sweep is not None:
            self._sweep()

    def _quit(self) -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            self._driver.quit()

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
            raise self._loss(error) from error

    def _loss(self, error: Exception) -> BrowserLost:
        self._lost = True
        return BrowserLost(_problem(error))


def _is_gone(error: Exception) -> bool:
    """Say whether the browser died, rather than refused one command."""
    gone = (InvalidSessionIdException, NoSuchWindowException, HTTPError)
    signs = ("disconnected", "crashed", "not reachable")
    return isinstance(error, gone) or any(sign in str(error) for sign in signs)


def _problem(error: BaseException) -> str:
    """Return what went wrong in a line, without Selenium's prefix and stack."""
    return first_line(error, getattr(error, "msg", None) or None)
