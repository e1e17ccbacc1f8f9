"""Drive the server's page in a real headless Chromium, and check what people need of it."""

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.served_model import Client

# Relative luminance and contrast as WCAG 2 defines them, for every element with text of its own;
# and the outlines of the buttons and fields that can be seen, which need 3 at least.
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
const contrast = (one, other) => {
  const [a, b] = [light(one), light(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
const seen = [...document.querySelectorAll("body *")].filter((e) => e.offsetParent);
const texts = seen.filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => [e.textContent, contrast(rgba(getComputedStyle(e).color), ground(e)), 4.5]);
const edges = seen.filter((e) => e.matches("button, .button, select, input:not([type=file])"))
  .map((e) => [e.outerHTML, contrast(rgba(getComputedStyle(e).borderTopColor), ground(e.parentElement)), 3]);
return [...texts, ...edges].filter(([, found, least]) => found < least);
"""
UNNAMED = """
return [...document.querySelectorAll("input, button, select, a, img")].filter((e) =>
  !(e.tagName === "IMG" ? e.hasAttribute("alt") && (e.alt || !e.matches(".map:not([hidden])"))
    : (e.labels && e.labels.length) || e.ariaLabel || e.textContent.trim())).map((e) => e.outerHTML);
"""
OUT_OF_ORDER = """
const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((e) => Number(e.tagName[1]));
return levels.filter((level, place) => level > (place ? levels[place - 1] + 1 : 1))
  .concat(levels.filter((level) => level === 1).slice(1));
"""
REPEATED_IDS = """
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
return ids.filter((id, place) => ids.indexOf(id) !== place);
"""
# What can be reached, in the order of the document; each is told by a number set on it.
FOCUSABLE = """
return [...document.querySelectorAll("a[href], button, input, select")]
  .filter((e) => e.offsetParent).map((e, place) => { e.dataset.place = place; return place; });
"""
# Where the keyboard is, and whether an outline shows it: on the element or on its label.
FOCUSED = """
const e = document.activeElement;
const shown = [e, ...(e.labels || [])].map((one) => getComputedStyle(one))
  .some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
return [e.dataset && e.dataset.place, shown];
"""
# Draw a blue picture and give it to the page as the clipboard and as a drop do.
PASTE_AND_DROP = """
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
"""


class Page:
    """The page of one server in a browser."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401  Selenium's driver
        self._driver = driver

    def open(self, client: Client, path: str = "/", *, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.command("Network.setCacheDisabled", {"cacheDisabled": True})
        self.log()
        self._driver.get(f"http://127.0.0.1:{client.port}{path}")

    def goto(self, address: str) -> None:
        self._driver.get(address)

    def command(self, name: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401  its answer
        asked = {"cmd": name, "params": params}
        return self._driver.execute("executeCdpCommand", asked)["value"]

    @contextmanager
    def phone(self, width: int) -> Iterator[None]:
        """Have the width of a phone, in CSS px, while the block runs."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        self.command("Emulation.setDeviceMetricsOverride", size)
        try:
            yield
        finally:
            self.command("Emulation.clearDeviceMetricsOverride", {})

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            pressed = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.command("Input.dispatchKeyEvent", pressed | ({"text": text} if text else {}))

    def run(self, script: str) -> Any:  # noqa: ANN401  what scripts return
        return self._driver.execute_script(script)

    def run_async(self, script: str, *told: object) -> Any:  # noqa: ANN401  the same
        """Run a script that calls its last argument with what it returns."""
        return self._driver.execute_async_script(script, *told)

    def choose(self, *paths: Path, into: str = "files") -> None:
        self._driver.find_element("id", into).send_keys("\n".join(map(str, paths)))

    def find(self, css: str) -> Any:  # noqa: ANN401  an element
        return self._driver.find_element("css selector", css)

    def texts(self, css: str) -> list[str]:
        return [e.text for e in self._driver.find_elements("css selector", css)]

    def wait(self, css: str, count: int = 1) -> None:
        until = time.monotonic() + 20
        while len(self._driver.find_elements("css selector", css)) < count:
            assert time.monotonic() < until, css
            time.sleep(0.01)

    def log(self) -> list[Mapping[str, Any]]:
        entries = self._driver.execute("getLog", {"type": "performance"})["value"]
        return [json.loads(entry["message"])["message"] for entry in entries]

    def save(self, path: Path) -> None:
        """Write what is seen of the whole page as a PNG."""
        shot = self.command("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))


def chromium() -> Iterator[Page]:
    """Start one browser; skip where there is none."""
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on the path")
    from selenium.webdriver.remote.file_detector import (  # noqa: PLC0415  for browsers only
        UselessFileDetector,
    )

    from scraper.browser.chromedriver import choose  # noqa: PLC0415  the same
    from scraper.browser.driver import local_driver  # noqa: PLC0415  the same

    driver, sweep = local_driver(choose(None, os.environ, shutil.which))
    driver.file_detector = UselessFileDetector()  # the files are on the same machine
    try:
        for domain in ("Log", "Runtime"):
            driver.execute("executeCdpCommand", {"cmd": f"{domain}.enable", "params": {}})
        yield Page(driver)
    finally:
        driver.quit()
        sweep()
