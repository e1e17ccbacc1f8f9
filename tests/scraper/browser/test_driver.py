"""Real Chromium that is killed, stopped, and started through a remote end."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.drawing import processes_with

from scraper.browser.chromedriver import choose
from scraper.browser.driver import Browser, grid_driver, local_driver
from scraper.reader import BrowserLost

pytestmark = pytest.mark.browser
PAGE = "data:text/html,<title>here</title>"


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    choice = choose(None, os.environ, shutil.which)
    running = Browser(*local_driver(choice, patience=3))
    running.open(PAGE)
    yield running
    running.close()


def profile_sign(tmp_path: Path) -> str:
    """Return what every process of the browser names on its command line."""
    return f"--user-data-dir={tmp_path}"


def chromium(tmp_path: Path) -> int:
    """Return the id of the browser's first process."""
    return min(processes_with(profile_sign(tmp_path)))


def test_closing_leaves_no_process_and_no_profile(browser: Browser, tmp_path: Path) -> None:
    assert browser.run("return document.title") == "here"
    browser.close()
    assert processes_with(profile_sign(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_browser_that_is_killed_or_hangs_is_lost_soon_and_swept(
    browser: Browser, tmp_path: Path, number: int
) -> None:
    os.kill(chromium(tmp_path), number)
    began = time.monotonic()
    with pytest.raises(BrowserLost):
        browser.run("return 1")
    browser.close()
    assert time.monotonic() - began < 10
    assert processes_with(profile_sign(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_only_asks_is_not_sent_again_when_it_is_not_answered(
    browser: Browser, tmp_path: Path
) -> None:
    os.kill(chromium(tmp_path), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(BrowserLost):
        browser.snapshot()
    assert time.monotonic() - began < 6


def test_a_page_whose_script_never_ends_is_lost(browser: Browser) -> None:
    with pytest.raises(BrowserLost):
        browser.run("while (true) {}")


def test_a_crashed_tab_is_lost(browser: Browser) -> None:
    with pytest.raises(BrowserLost):
        browser.open("chrome://crash")


@pytest.fixture
def remote_end(tmp_path: Path) -> Iterator[str]:
    """Run a remote end of the WebDriver protocol, as a Grid is; its Chromium may run as root."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver on the path")
    user = "nobody" if os.geteuid() == 0 else None  # Chromium has no sandbox as root
    home = Path(tempfile.mkdtemp())
    if user:
        shutil.chown(home, user)
    log = tmp_path / "driver.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [driver, "--port=0"],
            stdout=file,
            stderr=file,
            user=user,
            env=os.environ | {"HOME": str(home), "TMPDIR": str(home)},
        )
        while b"successfully on port" not in log.read_bytes():
            time.sleep(0.05)
        port = log.read_text().partition("successfully on port ")[2].partition(".")[0]
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(10)
        shutil.rmtree(home)


def test_a_browser_of_a_remote_end_answers_and_is_ended(remote_end: str) -> None:
    browser = Browser(grid_driver(remote_end))
    browser.open(PAGE)
    assert browser.run("return document.title") == "here"
    assert browser.network_log() is not None
    browser.close()


def test_a_grid_that_does_not_answer_is_lost_with_its_address() -> None:
    with pytest.raises(BrowserLost, match=re.escape("http://127.0.0.1:9")):
        grid_driver("http://127.0.0.1:9")
