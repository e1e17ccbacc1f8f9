import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from scraper.gallery.serve import running_gallery
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
STEP = """
window.scrollBy(0, 500);
return scrollY + innerHeight >= document.documentElement.scrollHeight - 2"""
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


def _scroll_to_bottom(browser: Chrome) -> None:
    for _ in range(200):
        if browser.execute_script(STEP):
            return
        time.sleep(0.03)


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
            _scroll_to_bottom(browser)
            if browser.execute_script(VISIBLE, MORE):
                browser.find_element("css selector", MORE).click()
                clicks += 1
        _scroll_to_bottom(browser)
        time.sleep(0.5)
        last = browser.execute_script(THUMBNAILS)
        hosts = browser.execute_script(HOSTS)
        truth = gallery.truth()["Beach"]
    assert clicks == 1
    assert {docid for docid, _ in last} == {record["docid"] for record in truth}
    assert not browser.execute_script(VISIBLE, MORE)
    whole = {r["docid"] for r in truth if r["kind"] not in {"broken", "placeholder"}}
    assert whole <= {docid for docid, loaded in last if loaded}
    assert set(hosts) == {"127.0.0.1"}
    assert urlsplit(browser.current_url).hostname == "127.0.0.1"


@pytest.mark.browser
def test_thumbnails_below_the_window_wait_until_they_are_in_view(browser: Chrome) -> None:
    settings = GallerySettings(port=0, per_class=100, duplicates=0, delay_ms=30)
    with running_gallery(settings) as gallery:
        browser.get(gallery.search_url.replace("{query}", "lake"))
        time.sleep(0.5)
        before = browser.execute_script(THUMBNAILS)
        _scroll_to_bottom(browser)
        time.sleep(0.5)
        after = browser.execute_script(THUMBNAILS)
    assert 0 < sum(not loaded for _, loaded in before) <= 40
    assert all(loaded for _, loaded in after)
