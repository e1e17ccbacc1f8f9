import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from scraper.gallery.server import running_gallery
from scraper.gallery.settings import GallerySettings

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)
# Per result: docid and whether its thumbnail has loaded.
THUMBNAILS = """
return [...document.querySelectorAll('[data-docid][data-lpage]')].map(item => {
  const img = [...item.querySelectorAll('img')].find(i => !i.closest('a[target=_blank]'));
  return [item.dataset.docid, img.naturalWidth > 1];
});"""
VISIBLE = "return document.querySelector(arguments[0]).getClientRects().length > 0"
# Two frames per step: a faster scroll passes thumbnails by before they come into view.
SCROLL_TO_BOTTOM = """
const done = arguments[0];
const frames = () => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));
const bottom = () => scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
(async () => {
  do { scrollBy(0, 400); await frames(); } while (!bottom());
  done();
})();"""
ENDED = "return document.body.innerText.includes('reached the end')"
HOSTS = "return performance.getEntriesByType('resource').map(e => new URL(e.name).hostname)"
MORE = "[jsname=oHxHid]"


@pytest.fixture(name="browser")
def _browser(tmp_path: Path) -> Iterator[Chrome]:
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver on the path")
    options = ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


def _missing(browser: Chrome, wanted: set[str | None]) -> set[str | None]:
    """Wait for the thumbnails of these docids, at most 15 seconds; return those not loaded."""
    deadline = time.monotonic() + 15
    while True:
        loaded = {docid for docid, whole in browser.execute_script(THUMBNAILS) if whole}
        if wanted <= loaded or time.monotonic() > deadline:
            return wanted - loaded
        time.sleep(0.05)


@pytest.mark.browser
def test_scrolling_and_clicking_shows_every_result_and_loads_every_thumbnail(
    browser: Chrome, tmp_path: Path
) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("Beach\nLake\n")
    settings = GallerySettings(
        port=0, classes=classes, per_class=90, batch=30, automatic=1, delay_ms=60
    )
    with running_gallery(settings) as gallery:
        browser.get(gallery.search_url.replace("{query}", "beach"))
        first = browser.execute_script(THUMBNAILS)
        assert len(first) == 30
        assert not browser.execute_script(VISIBLE, MORE)
        deadline, clicks = time.monotonic() + 30, 0
        while not browser.execute_script(ENDED) and time.monotonic() < deadline:
            browser.execute_async_script(SCROLL_TO_BOTTOM)
            if browser.execute_script(VISIBLE, MORE):
                # A click on a control out of view would jump past what came just now.
                browser.execute_async_script(SCROLL_TO_BOTTOM)
                browser.find_element("css selector", MORE).click()
                clicks += 1
        browser.execute_async_script(SCROLL_TO_BOTTOM)
        truth = gallery.truth()["Beach"]
        whole = {r["docid"] for r in truth if r["kind"] not in {"broken", "placeholder"}}
        assert not _missing(browser, whole)
        last = browser.execute_script(THUMBNAILS)
        hosts = browser.execute_script(HOSTS)
    assert clicks == 1
    assert {docid for docid, _ in last} == {record["docid"] for record in truth}
    assert not browser.execute_script(VISIBLE, MORE)
    assert set(hosts) == {"127.0.0.1"}
    assert urlsplit(browser.current_url).hostname == "127.0.0.1"


@pytest.mark.browser
def test_thumbnails_below_the_window_wait_until_they_are_in_view(browser: Chrome) -> None:
    settings = GallerySettings(port=0, per_class=100, duplicates=0, delay_ms=30)
    with running_gallery(settings) as gallery:
        browser.get(gallery.search_url.replace("{query}", "lake"))
        time.sleep(0.5)
        before = browser.execute_script(THUMBNAILS)
        browser.execute_async_script(SCROLL_TO_BOTTOM)
        assert not _missing(browser, {docid for docid, _ in before})
    assert 0 < sum(not loaded for _, loaded in before) <= 40
