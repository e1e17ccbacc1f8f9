"""Find a browser and a driver that fit together."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from sceneset.errors import BrowserMissingError

DRIVERS_HOST = ("googlechromelabs.github.io", 443)
PATIENCE_S = 1.5
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def connect(address: tuple[str, int]) -> None:
    """Open and close a connection. Raises OSError."""
    socket.create_connection(address, timeout=PATIENCE_S).close()


def is_online(
    environment: Mapping[str, str],
    connect: Callable[[tuple[str, int]], None] = connect,
    patience: float = PATIENCE_S,
) -> bool:
    """Say whether the drivers' host answers within `patience` seconds; a proxy is taken to.

    Looking a name up can hang for longer than any socket's timeout, so it is done in a thread that
    nobody waits for.
    """
    if any(environment.get(name) for name in _PROXIES):
        return True
    answers: list[bool] = []

    def ask() -> None:
        with suppress(OSError):
            connect(DRIVERS_HOST)
            answers.append(True)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return bool(answers)


BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
DRIVER_VARIABLES = ("SE_CHROMEDRIVER", "CHROMEDRIVER")
VERSION_S = 10
_VERSION = re.compile(r"(\d+)\.\d+\.\d+")
_CURE = (
    "on Debian: apt install chromium chromium-driver; elsewhere install Chrome; or --driver PATH"
)


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """A driver, its browser (None: the driver knows where) and where they come from."""

    driver: str
    browser: str | None
    how: str


Which = Callable[[str], str | None]
ReadVersion = Callable[[str], str]
Fetcher = Callable[[str | None], DriverChoice | None]


def read_version(binary: str) -> str:
    """Return what `binary --version` prints, or nothing when it cannot be run."""
    try:
        answer = subprocess.run(  # noqa: S603  a browser or driver found on this machine
            [binary, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout


def major(version: str) -> str | None:
    """Return the major version in a `--version` answer."""
    match = _VERSION.search(version)
    return match[1] if match else None


def choose(
    requested: Path | None,
    environment: Mapping[str, str],
    which: Which,
    read_version: ReadVersion = read_version,
    fetchers: Callable[[], Iterable[Fetcher]] = tuple,
) -> DriverChoice:
    """Choose a driver: as requested, from the environment, on the path, else fetched.

    The driver on the path counts only when its major version equals the browser's.
    `fetchers` are called only when nothing is installed; they get the browser and return a choice
    or None, in turn. Raises BrowserMissingError when the requested driver does not exist, or when
    nothing is installed and nothing could be fetched.
    """
    browsers = [path for name in BROWSERS if (path := which(name))]
    browser = browsers[0] if browsers else None
    named = (
        [str(requested)]
        if requested
        else [environment[v] for v in DRIVER_VARIABLES if environment.get(v)]
    )
    for driver in named:
        if not Path(driver).is_file():
            raise BrowserMissingError(f"no driver at {driver}", cure=_CURE)
        return DriverChoice(driver, browser, "as given")
    on_path = which("chromedriver")
    driver_major = major(read_version(on_path)) if on_path else None
    for candidate in browsers:
        if on_path and driver_major and major(read_version(candidate)) == driver_major:
            return DriverChoice(on_path, candidate, "installed")
    for fetch in fetchers():
        choice = fetch(browser)
        if choice:
            return choice
    raise BrowserMissingError(_missing(browser, on_path, read_version), cure=_CURE)


def _missing(browser: str | None, driver: str | None, read_version: ReadVersion) -> str:
    if browser is None:
        return "no Chrome or Chromium is installed, and none could be fetched"
    if driver is None:
        return f"{browser} has no chromedriver beside it, and none could be fetched"
    return (
        f"{driver} has version {major(read_version(driver))}, but {browser} has {major(read_version(browser))},"
        " and no driver that fits could be fetched"
    )


def fetch_with_webdriver_manager(browser: str | None) -> DriverChoice | None:
    """Let webdriver-manager download a driver for the installed browser; None when it cannot."""
    if browser is None:
        return None
    from requests import Response, get  # noqa: PLC0415  an extra
    from webdriver_manager.chrome import ChromeDriverManager  # noqa: PLC0415
    from webdriver_manager.core.download_manager import WDMDownloadManager  # noqa: PLC0415
    from webdriver_manager.core.http import HttpClient  # noqa: PLC0415
    from webdriver_manager.core.os_manager import ChromeType  # noqa: PLC0415

    class Impatient(HttpClient):  # type: ignore[misc]  # the package has no types
        """Give up within seconds when there is no network; the stock client waits for ever."""

        def get(self, url: str, **_: object) -> Response:
            """Return a checked answer."""
            answer = get(url, timeout=(2, 60), stream=True)
            self.validate_response(answer)
            return answer

    kind = ChromeType.CHROMIUM if "chromium" in browser.lower() else ChromeType.GOOGLE
    os.environ.setdefault("WDM_LOG", "0")
    downloads = WDMDownloadManager(http_client=Impatient())
    try:
        path = ChromeDriverManager(chrome_type=kind, download_manager=downloads).install()
    except Exception:  # noqa: BLE001  the package raises bare exceptions
        return None
    return DriverChoice(str(path), browser, "fetched by webdriver-manager")


def fetch_with_selenium_manager(
    browser: str | None, *, offline: bool = False
) -> DriverChoice | None:
    """Let Selenium Manager download a driver, and a browser when there is none.

    With `offline` it looks only at what it downloaded before.
    """
    from selenium.common.exceptions import WebDriverException  # noqa: PLC0415  an extra
    from selenium.webdriver.common.selenium_manager import SeleniumManager  # noqa: PLC0415

    os.environ.setdefault("SE_AVOID_STATS", "true")
    arguments = ["--browser", "chrome", "--timeout", "60"]
    if browser:
        arguments += ["--browser-path", browser]
    if offline:
        arguments += ["--offline"]
    try:
        paths = SeleniumManager().binary_paths(arguments)
    except (WebDriverException, OSError):
        return None
    driver, fetched = paths.get("driver_path"), paths.get("browser_path")
    return (
        DriverChoice(str(driver), browser or fetched, "fetched by Selenium Manager")
        if driver
        else None
    )


def fetchers() -> tuple[Fetcher, ...]:
    """Return who may fetch a driver: offline only from what was downloaded before."""
    if is_online(os.environ):
        return fetch_with_webdriver_manager, fetch_with_selenium_manager
    return (partial(fetch_with_selenium_manager, offline=True),)


def is_debian_root() -> bool:
    """Say whether Debian packages can be installed here without asking anyone."""
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and Path("/etc/debian_version").exists()
        and Path("/usr/bin/apt-get").exists()
    )
