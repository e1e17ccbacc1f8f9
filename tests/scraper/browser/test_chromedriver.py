from collections.abc import Callable
from pathlib import Path

import pytest

from sceneset.errors import BrowserMissingError
from scraper.browser.chromedriver import DriverChoice, choose, major

VERSIONS = {
    "/bin/chromium": "Chromium 156.0.8078.79 built on Debian",
    "/bin/chromedriver": "ChromeDriver 156.0.8078.73",
    "/old/chromedriver": "ChromeDriver 120.0.1.2",
}


def which(**there: str) -> Callable[[str], str | None]:
    return there.get


def ask(binary: str) -> str:
    return VERSIONS.get(binary, "")


def test_a_pair_of_one_major_version_is_taken() -> None:
    choice = choose(
        None, {}, which(chromium="/bin/chromium", chromedriver="/bin/chromedriver"), ask
    )
    assert choice == DriverChoice("/bin/chromedriver", "/bin/chromium", "installed")


def test_an_asked_driver_comes_before_the_environments(tmp_path: Path) -> None:
    asked, named = tmp_path / "asked", tmp_path / "named"
    asked.touch()
    named.touch()
    nothing = which()
    assert choose(asked, {"CHROMEDRIVER": str(named)}, nothing, ask).driver == str(asked)
    assert choose(None, {"CHROMEDRIVER": str(named)}, nothing, ask).driver == str(named)


def test_a_driver_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrowserMissingError, match="no driver at"):
        choose(tmp_path / "none", {}, which(), ask)


def test_a_driver_of_another_version_is_not_taken_and_fetchers_are_asked_in_turn() -> None:
    there = which(chromium="/bin/chromium", chromedriver="/old/chromedriver")
    fetched = DriverChoice("/fetched", "/bin/chromium", "fetched")
    assert choose(None, {}, there, ask, lambda: (lambda _: None, lambda _: fetched)) == fetched
    with pytest.raises(BrowserMissingError, match=r"version 120, but /bin/chromium has 156"):
        choose(None, {}, there, ask)


def test_a_machine_without_a_browser_is_told_what_to_install() -> None:
    with pytest.raises(BrowserMissingError, match="no Chrome or Chromium") as refusal:
        choose(None, {}, which(), ask)
    assert "apt install chromium chromium-driver" in refusal.value.cure
    assert refusal.value.exit_code == 2


def test_the_major_version_is_read_from_any_wording() -> None:
    assert major("Google Chrome 156.0.8078.79 ") == "156"
    assert major("nothing") is None
