"""Behaviours that live in the page's script, in real Chromium."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from support.drawing import draw_jpeg

from scraper.browser.driver import chromium_options, driver_service
from scraper.gallery.server import Gallery, running_gallery
from scraper.gallery.settings import Behaviour, GallerySettings

pytestmark = pytest.mark.browser

COUNT, BATCH = 120, 60
ITEMS = "[data-docid][data-lpage],[data-ri][data-ictx]"
# Per thumbnail in the document: its page and whether its picture has loaded.
SHOWN = f"""
return [...document.querySelectorAll('{ITEMS}')].map(item => {{
  const img = [...item.querySelectorAll('img')].find(i => !i.closest('a[target=_blank]'));
  return [item.querySelector('a[target=_blank]').href, img.complete && img.naturalWidth > 1];
}});"""
VISIBLE = "return document.querySelector(arguments[0]).getClientRects().length > 0"
HEIGHT = "return document.documentElement.scrollHeight"
SCROLL_TO = """
const [target, done] = arguments;
const frames = () => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));
(async () => {
  const way = Math.sign(target - scrollY) * 400;
  while (Math.abs(target - scrollY) > 400) {
    const before = scrollY; scrollBy(0, way); await frames(); if (scrollY === before) break;
  }
  scrollTo(0, target); await frames(); done();
})();"""
# What a lazy picture shows at the moment it comes back into the document.
WATCH = """
window.seen = [];
new MutationObserver(records => {
  for (const node of records.flatMap(r => [...r.addedNodes])) {
    const img = node.querySelector && node.querySelector('img[data-deferred],img[data-src]');
    if (img) window.seen.push(img.src.slice(0, 14));
  }
}).observe(document.body, { childList: true, subtree: true });"""
ENDED = "return document.body.innerText.includes('reached the end')"
AGAIN, MORE = "[jsname=a79Lwf]", "[jsname=oHxHid]"


@pytest.fixture(scope="module", name="browser")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver on the path")
    profile = tmp_path_factory.mktemp("profile")
    options = chromium_options(shutil.which("chromium"), profile, headful=False)
    chrome = Chrome(options=options, service=driver_service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    (root / "Lake").mkdir()
    for number in range(COUNT):
        (root / "Lake" / f"{number:03}.jpg").write_bytes(draw_jpeg(number, (150, 100), 60))
    return root


Visit = Callable[..., Gallery]


@pytest.fixture(name="visit")
def _visit(browser: Chrome, pictures: Path) -> Iterator[Visit]:
    with ExitStack() as running:

        def visit(*behaviours: Behaviour, **more: Any) -> Gallery:  # noqa: ANN401  settings of any type
            values: dict[str, Any] = {"pictures": pictures, "batch": BATCH, "delay_ms": 30} | more
            settings = GallerySettings(port=0, behaviours=behaviours, **values)
            gallery = running.enter_context(running_gallery(settings))
            browser.get(gallery.search_url.replace("{query}", "Lake"))
            return gallery

        yield visit
        browser.get("about:blank")
        browser.execute_cdp_cmd("Network.clearBrowserCookies", {})


def shown(browser: Chrome) -> dict[str, bool]:
    return dict(browser.execute_script(SHOWN))


def wait_for(condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def scrolled_to_the_end(browser: Chrome) -> set[str]:
    for _ in range(20):
        browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
        if browser.execute_script(ENDED):
            break
        time.sleep(0.05)
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    return set(shown(browser))


def pages_of(gallery: Gallery) -> set[str]:
    return {str(record["page"]) for record in gallery.truth()["Lake"]}


@pytest.mark.parametrize("vintage", ["2022", "2024", "2026"])
def test_a_virtual_list_lets_go_of_what_is_far_and_starts_it_anew(
    browser: Chrome, visit: Visit, vintage: str
) -> None:
    visit("virtualised", vintage=vintage)
    assert wait_for(lambda: sum(shown(browser).values()) > 10)
    foot = scrolled_to_the_end(browser)
    height = browser.execute_script(HEIGHT)
    assert len(foot) < COUNT
    browser.execute_async_script(SCROLL_TO, 0)
    assert foot != shown(browser).keys()
    assert wait_for(lambda: sum(shown(browser).values()) > 10)
    browser.execute_script(WATCH)
    assert scrolled_to_the_end(browser) == foot
    assert browser.execute_script(HEIGHT) == height
    blank = "" if vintage == "2022" else "data:image/gif"
    assert blank in browser.execute_script("return window.seen")


def test_every_picture_of_a_virtual_list_can_be_seen(browser: Chrome, visit: Visit) -> None:
    gallery = visit("virtualised")
    loaded: set[str] = set()

    def look() -> bool:
        loaded.update(page for page, whole in shown(browser).items() if whole)
        return loaded == pages_of(gallery)

    for turn in range(3):
        for place in range(0, 12_000, 700):
            browser.execute_async_script(SCROLL_TO, place)
            look()
        if wait_for(look, 0.5):
            break
        browser.execute_async_script(SCROLL_TO, 0)
        assert turn < 2
    assert loaded == pages_of(gallery)


@pytest.mark.parametrize("vintage", ["2022", "2024", "2026"])
def test_a_failed_batch_shows_try_again_and_a_click_brings_it(
    browser: Chrome, visit: Visit, vintage: str
) -> None:
    again = ".sGx53d" if vintage == "2022" else AGAIN
    gallery = visit("failed-batch", vintage=vintage)
    assert not browser.execute_script(VISIBLE, again)
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    assert wait_for(lambda: browser.execute_script(VISIBLE, again))
    assert len(shown(browser)) == BATCH
    browser.find_element("css selector", again).click()
    assert wait_for(lambda: shown(browser).keys() == pages_of(gallery))
    assert not browser.execute_script(VISIBLE, again)


def test_late_batches_leave_the_page_quiet_for_a_second(browser: Chrome, visit: Visit) -> None:
    gallery = visit("late-batches")
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    time.sleep(0.3)
    assert len(shown(browser)) == BATCH
    assert wait_for(lambda: shown(browser).keys() == pages_of(gallery))


def test_a_stalled_page_shows_neither_end_nor_control(browser: Chrome, visit: Visit) -> None:
    gallery = visit("stall", batch=40)
    for _ in range(4):
        browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
        time.sleep(0.2)
    assert shown(browser).keys() == pages_of(gallery)
    assert len(pages_of(gallery)) == 80
    assert "reached the end" not in browser.execute_script("return document.body.innerText")
    assert not browser.execute_script(VISIBLE, MORE)


@pytest.mark.parametrize("vintage", ["2022", "2024"])
def test_older_pages_load_their_pictures_in_view_and_offer_more(
    browser: Chrome, visit: Visit, vintage: str
) -> None:
    gallery = visit(vintage=vintage, automatic=0)
    more = "input.mye4qd" if vintage == "2022" else MORE
    before = shown(browser)
    assert len(before) == BATCH
    assert sum(not loaded for loaded in before.values()) > 0
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    assert wait_for(lambda: all(shown(browser).values()))
    browser.find_element("css selector", more).click()
    assert wait_for(lambda: shown(browser).keys() == pages_of(gallery))
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    assert wait_for(lambda: all(shown(browser).values()))
    assert not browser.execute_script(VISIBLE, more)
    assert "reached the end" in browser.execute_script("return document.body.innerText")


def test_in_2024_a_link_gets_its_address_when_the_pointer_comes(
    browser: Chrome, visit: Visit
) -> None:
    visit(vintage="2024")
    touch = """
    const link = document.querySelector('[data-lpage] h3 a:not([href])');
    link.querySelector('img').dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
    return link.getAttribute('href');"""
    href = browser.execute_script(touch)
    assert href.startswith("/imgres?")
    assert "imgrefurl=https" in href


@pytest.mark.parametrize(("wanted", "choice"), [("true", "rejected"), ("false", "accepted")])
def test_a_choice_on_the_consent_page_leads_to_the_results(
    browser: Chrome, visit: Visit, wanted: str, choice: str
) -> None:
    gallery = visit("consent")
    assert not browser.current_url.startswith(gallery.pages.url)
    assert browser.title != "Lake - Gallery Search"
    press = f"""document.querySelector('[name=set_eom][value={wanted}]').form
        .querySelector('button').click()"""
    browser.execute_script(press)
    assert wait_for(lambda: browser.current_url.startswith(gallery.pages.url))
    assert wait_for(lambda: len(shown(browser)) == BATCH)
    assert gallery.consents == [choice]


@pytest.mark.parametrize(("control", "choice"), [("W0wltc", "rejected"), ("L2AGLb", "accepted")])
def test_a_choice_in_the_dialog_brings_the_results(
    browser: Chrome, visit: Visit, control: str, choice: str
) -> None:
    gallery = visit("consent-dialog")
    assert shown(browser) == {}
    browser.find_element("id", control).click()
    assert wait_for(lambda: len(shown(browser)) == BATCH)
    assert gallery.consents == [choice]


def test_end_markers_are_unseen_though_the_text_of_the_page_holds_them(
    browser: Chrome, visit: Visit
) -> None:
    visit("early-end-marker")
    assert "reached the end" in browser.execute_script("return document.body.innerText")
    browser.execute_async_script(SCROLL_TO, browser.execute_script(HEIGHT))
    visible = """
    const holds = [...document.querySelectorAll('[data-endedmessage] > div')];
    return holds.filter(e => { const b = e.getBoundingClientRect();
      return e.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && b.width > 1 && b.height > 1 && b.right > 0; }).length;"""
    assert browser.execute_script(visible) == 0
