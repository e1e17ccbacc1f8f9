"""Assemble what Chromium and its driver are started with."""

import os
import sys
from pathlib import Path

from selenium.webdriver import ChromeOptions
from selenium.webdriver.chrome.service import Service

from pipeline.signals import end_with_parent

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
