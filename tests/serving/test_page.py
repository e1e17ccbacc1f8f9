"""The page in a real headless Chromium: choose a picture, read what it shows."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from served_model_support import GREEN, RED, Client

from serving.front import PAGE_POLICY
from serving.settings import ServeSettings

pytestmark = pytest.mark.browser
# Relative luminance and contrast as WCAG 2 defines them, for every element with text of its own.
LOW_CONTRAST = """
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const found = rgba(getComputedStyle(e).backgroundColor);
    if (found[3] !== 0) return found;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")].filter((e) => e.offsetParent && [...e.childNodes]
  .some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
    return [e.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
"""
UNNAMED = """
return [...document.querySelectorAll("input, button, a, img")].filter((e) => !(e.tagName === "IMG"
  ? e.hasAttribute("alt") : (e.labels && e.labels.length) || e.ariaLabel || e.textContent.trim()))
  .map((e) => e.outerHTML);
"""


class Page:
    """The page of one server in a browser."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401  Selenium's driver
        self._driver = driver

    def open(self, client: Client, *, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.command("Network.setCacheDisabled", {"cacheDisabled": True})
        self.log()
        self._driver.get(f"http://127.0.0.1:{client.port}/")

    def command(self, name: str, params: Mapping[str, Any]) -> None:
        self._driver.execute("executeCdpCommand", {"cmd": name, "params": params})

    def run(self, script: str) -> Any:  # noqa: ANN401  what scripts return
        return self._driver.execute_script(script)

    def choose(self, *paths: Path) -> None:
        self._driver.find_element("id", "files").send_keys("\n".join(map(str, paths)))

    def find(self, css: str) -> Any:  # noqa: ANN401  an element
        return self._driver.find_element("css selector", css)

    def texts(self, css: str) -> list[str]:
        return [e.text for e in self._driver.find_elements("css selector", css)]

    def wait(self, css: str, count: int) -> None:
        until = time.monotonic() + 20
        while len(self._driver.find_elements("css selector", css)) < count:
            assert time.monotonic() < until
            time.sleep(0.01)

    def log(self) -> list[Mapping[str, Any]]:
        entries = self._driver.execute("getLog", {"type": "performance"})["value"]
        return [json.loads(entry["message"])["message"] for entry in entries]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on the path")
    from selenium.webdriver.remote.file_detector import (  # noqa: PLC0415  for browsers only
        UselessFileDetector,
    )

    from scraper.browser import local_driver  # noqa: PLC0415  the same
    from scraper.driver import choose  # noqa: PLC0415  the same

    started = local_driver(choose(None, os.environ, shutil.which))
    started.driver.file_detector = UselessFileDetector()  # the files are on the same machine
    try:
        for domain in ("Log", "Runtime"):
            started.driver.execute("executeCdpCommand", {"cmd": f"{domain}.enable", "params": {}})
        yield Page(started.driver)
    finally:
        started.driver.quit()
        assert started.sweep is not None
        started.sweep()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "it's red.png").write_bytes(RED)
    (tmp_path / "green.png").write_bytes(GREEN)
    return tmp_path / "it's red.png", tmp_path / "green.png"


def test_a_chosen_picture_is_named_with_six_requests_and_no_other_host(
    page: Page, client: Client, files: tuple[Path, Path]
) -> None:
    page.open(client)
    page.choose(files[0])
    page.wait(".labels li", 3)
    assert page.texts(".labels .name") == ["red", "green", "blue"]
    assert page.texts(".tags span") == ["Red"]
    assert page.texts("h2") == ["it's red.png"]
    assert "red, 9" in page.find("[role=status]").text
    assert page.run("return document.querySelector('.card img').naturalWidth") == 60
    widths = page.run(
        "return [...document.querySelectorAll('.bar span')].map((e) => e.offsetWidth / e.parentElement.offsetWidth)"
    )
    assert widths[0] > 0.9 > widths[1] >= widths[2]
    log = page.log()
    asked = [
        m["params"]["request"]["url"] for m in log if m["method"] == "Network.requestWillBeSent"
    ]
    asked = [url for url in asked if not url.startswith("blob:")]
    assert len(asked) <= 6, asked
    assert {urlsplit(url).netloc for url in asked} == {f"127.0.0.1:{client.port}"}
    shouts = [m for m in log if m["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert shouts == []


def test_several_pictures_and_a_bad_one_each_get_a_card(
    page: Page, client: Client, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"junk")
    page.open(client)
    page.choose(*files, tmp_path / "bad.png")
    page.wait(".labels li", 6)
    page.wait(".error:not([hidden])", 1)
    assert page.texts("h2") == ["bad.png", "green.png", "it's red.png"]
    assert page.texts(".error:not([hidden])") == ["The bytes are not a picture"]


def test_a_pasted_and_a_dropped_picture_are_taken(page: Page, client: Client) -> None:
    page.open(client)
    page.run("""
        const draw = document.createElement("canvas").getContext("2d");
        draw.fillStyle = "#1020e0";
        draw.fillRect(0, 0, 300, 150);
        draw.canvas.toBlob((blob) => {
            for (const [kind, name, field] of [[ClipboardEvent, "paste", "clipboardData"], [DragEvent, "drop", "dataTransfer"]]) {
                const carried = new DataTransfer();
                carried.items.add(new File([blob], `${name}.png`, { type: "image/png" }));
                document.dispatchEvent(new kind(name, { [field]: carried, bubbles: true, cancelable: true }));
            }
        });
    """)
    page.wait(".labels li", 6)
    assert page.texts(".labels li:first-child .name") == ["blue", "blue"]


@pytest.mark.parametrize("dark", [False, True])
def test_everything_has_a_name_enough_contrast_and_the_keyboards_focus(
    page: Page, client: Client, files: tuple[Path, Path], *, dark: bool
) -> None:
    page.open(client, dark=dark)
    page.choose(files[0])
    page.wait(".labels li", 3)
    assert page.run(LOW_CONTRAST) == []
    assert page.run(UNNAMED) == []
    page.run("document.activeElement.blur()")
    reached = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            tab = {"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
            page.command("Input.dispatchKeyEvent", tab)
        reached.append(
            page.run("return document.activeElement.id || document.activeElement.textContent")
        )
    assert {"files", "Copy as curl", "API"} <= set(reached)


def test_copy_as_curl_gives_a_line_that_a_shell_takes(
    page: Page, client: Client, files: tuple[Path, Path]
) -> None:
    page.open(client)
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
    page.choose(files[0])
    page.wait(".labels li", 3)
    page.find(".curl").click()
    page.wait("#status", 1)
    line = page.run("return window.copied")
    assert "--data-binary @'it'\\''s red.png'" in line
    assert f"'http://127.0.0.1:{client.port}/v1/classify?top=3&tags=1'" in line


def test_a_key_is_asked_for_first_and_a_wrong_answer_can_be_put_right(
    page: Page,
    serve: Callable[..., Any],
    settings: ServeSettings,
    files: tuple[Path, Path],
) -> None:
    with serve(settings) as client:
        page.open(client)
        page.wait("#key-form:not([hidden])", 1)
        page.choose(files[1])
        page.find("#key").send_keys("open-sesame\n")
        page.wait(".labels li", 3)
        assert page.texts(".tags span") == ["Green"]
        page.find(".feedback select").send_keys("blue")
        page.find(".feedback button").click()
        page.wait(".feedback[hidden]", 1)
        remark = json.loads(settings.feedback.read_text())  # type: ignore[union-attr]
        assert (remark["label"], remark["predicted"]) == ("blue", "green")
        assert "Noted" in page.find("#status").text
        assert client.get("/").headers["content-security-policy"] == PAGE_POLICY


@pytest.fixture
def settings(model: Path, tmp_path: Path) -> ServeSettings:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("open-sesame\n")
    return ServeSettings(
        model=model, api_key_file=keys, feedback=tmp_path / "f.jsonl", workers=1, watch=0
    )
