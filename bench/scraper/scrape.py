"""Measure the scraper on a local results page beside the two usual ways of doing it, in one run.

The usual ways, both with real Chromium: click each thumbnail without sleeps and take the URL that
it shows; scroll, then ask each element for its URL. Both fetch the URLs again with
`requests`. Then ours with 1, 2 and 4 browsers, and a whole run of 36 classes. Every picture that
counts is compared with the served bytes. The page is served by a process of its own. Prints one
JSON object.

    python bench/scraper/scrape.py [--whole] [--previews 1000]
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import requests
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Remote
from selenium.webdriver.common.by import By

from bench.support.commands import CLI
from bench.support.pictures import jpeg, smooth
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from scraper.browser.chromedriver import choose
from scraper.browser.driver import local_driver
from scraper.commands.scrape import scrape
from scraper.settings import ScrapeSettings

ITEMS = "[data-docid][data-lpage]"
TIMEOUT_S = 10
CLASSES, PER_CLASS = 36, 300
PREVIEW = (246, 184)
Way = Callable[[Remote, set[str]], None]


def draw(folder: Path, number: int, first: int = 0) -> set[str]:
    """Draw `number` different JPEGs of preview size; return their SHA-256."""
    folder.mkdir(parents=True)
    digests = set()
    for seed in range(first, first + number):
        data = jpeg(smooth(np.random.default_rng(seed), PREVIEW), 88)
        (folder / f"{seed:05}.jpg").write_bytes(data)
        digests.add(hashlib.sha256(data).hexdigest())
    return digests


@dataclass(frozen=True)
class Gallery:
    """A gallery that runs in a process of its own."""

    url: str

    @property
    def search_url(self) -> str:
        """Return the template of the results page's URL."""
        return self.url + "/search?q={query}"

    def preview_requests(self) -> int:
        """Return how many previews were asked for so far."""
        paths = requests.get(self.url + "/requests.json", timeout=TIMEOUT_S).json()
        return sum(path.startswith("/images") for path in paths)


@contextmanager
def served_gallery(pictures: Path) -> Iterator[Gallery]:
    """Serve a folder of class folders while the block runs."""
    words = [*CLI, "gallery", "--port", "0", "--delay-ms", "60"]
    process = subprocess.Popen(
        [*words, "--pictures", str(pictures)], stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stderr.readline() if process.stderr else ""
        yield Gallery(line.removeprefix("search: ").partition("/search")[0])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def take(url: str | None, digests: set[str]) -> None:
    """Fetch a URL as the usual ways do; they cannot fetch data URIs."""
    if url and url.startswith("http"):
        content = requests.get(url, timeout=TIMEOUT_S).content
        digests.add(hashlib.sha256(content).hexdigest())


def click_each(driver: Remote, digests: set[str]) -> None:
    """Click each thumbnail as it comes into reach, take the URL it then shows."""
    done = 0
    while True:
        items = driver.find_elements(By.CSS_SELECTOR, f"{ITEMS} [role=button]")
        for item in items[done:]:
            driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", item)
            try:
                item.click()
                take(item.find_element(By.TAG_NAME, "img").get_attribute("src"), digests)
            except WebDriverException:
                continue
        if len(items) == done and not _more(driver):
            return
        done = len(items)


def element_by_element(driver: Remote, digests: set[str]) -> None:
    """Scroll to the end, then ask each element for its fields and fetch its URL."""
    height, idle = 0, 0
    while idle < 3:  # noqa: PLR2004  as the popular scripts wait
        driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        now = int(driver.execute_script("return document.body.scrollHeight"))
        idle = idle + 1 if now == height and not _more(driver) else 0
        height = now
    for item in driver.find_elements(By.CSS_SELECTOR, ITEMS):
        image = item.find_element(By.TAG_NAME, "img")
        image.get_attribute("alt")
        item.get_attribute("data-lpage")
        take(image.get_attribute("src"), digests)


def _more(driver: Remote) -> bool:
    for control in driver.find_elements(By.CSS_SELECTOR, '[aria-label="More results"]'):
        if control.is_displayed():
            control.click()
            return True
    return False


def usual(gallery: Gallery, served: set[str], way: Way) -> dict[str, float]:
    """Time one of the usual ways; only pictures with the served bytes count."""
    digests: set[str] = set()
    began = perf_counter()
    driver, sweep = local_driver(choose(None, os.environ, shutil.which))
    try:
        driver.get(gallery.search_url.replace("{query}", "Bench"))
        way(driver, digests)
    finally:
        seconds = perf_counter() - began
        driver.quit()
        sweep()
    return _figures(seconds, digests, served)


def ours(
    gallery: Gallery, work: Path, served: dict[str, set[str]], browsers: int
) -> dict[str, float]:
    """Time our scrape of some classes; browser start and the writing of every file included."""
    (work / "classes.txt").write_text("\n".join(served))
    dataset = work / f"set{browsers}-{len(served)}"
    settings = ScrapeSettings(
        classes=work / "classes.txt",
        dataset=dataset,
        per_class=max(map(len, served.values())) + 1,
        search_url=gallery.search_url,
        pause=0,
        variants=False,
        browsers=browsers,
    )
    requests_before = gallery.preview_requests()
    began = perf_counter()
    scrape(settings=settings, output=Output(quiet=True))
    seconds = perf_counter() - began
    with Manifest(dataset / "manifest.db") as manifest:
        digests = {image.sha256 for image in manifest.images()}
    sent = gallery.preview_requests() - requests_before
    figures = _figures(seconds, digests, set().union(*served.values()))
    return figures | {"requests_per_preview": round(sent / max(1, len(digests)), 3)}


def _figures(seconds: float, digests: set[str], served: set[str]) -> dict[str, float]:
    good = digests & served
    return {
        "seconds": round(seconds, 2),
        "found": len(digests),
        "identical_bytes": len(good),
        "yield": round(len(good) / len(served), 4),
        "previews_per_second": round(len(good) / seconds, 1),
    }


def side_by_side(work: Path, previews: int) -> dict[str, object]:
    """Measure the usual ways and ours on one page, then ours with more browsers on four."""
    served = {"Bench": draw(work / "pictures" / "Bench", previews)}
    four = {
        f"Part {n}": draw(work / "parts" / f"Part {n}", previews // 4, 10_000 * n)
        for n in range(1, 5)
    }
    figures: dict[str, object] = {"served": previews}
    with served_gallery(work / "pictures") as gallery:
        mine = ours(gallery, work, served, 1)
        click = usual(gallery, served["Bench"], click_each)
        loop = usual(gallery, served["Bench"], element_by_element)
    figures |= {"ours": mine, "click_each": click, "element_by_element": loop}
    for name, other in (("click_each", click), ("element_by_element", loop)):
        rate = max(other["previews_per_second"], 0.1)
        figures[f"rate_over_{name}"] = round(mine["previews_per_second"] / rate, 1)
    with served_gallery(work / "parts") as gallery:
        for browsers in (1, 2, 4):
            figures[f"four_classes_{browsers}_browsers"] = ours(gallery, work, four, browsers)
    return figures


def whole(work: Path) -> dict[str, object]:
    """Measure a run of 36 classes of 300 pictures: seconds, and our process' peak memory."""
    served = {
        f"Class {n:02}": draw(work / "whole" / f"Class {n:02}", PER_CLASS, 1000 * n)
        for n in range(CLASSES)
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with served_gallery(work / "whole") as gallery:
        figures: dict[str, object] = dict(ours(gallery, work, served, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return figures | {"peak_rss_mb": peak // 1024, "rss_before_mb": before // 1024}


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--previews", type=int, default=1000)
    parser.add_argument("--whole", action="store_true", help="also run 36 classes of 300")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        figures = side_by_side(work, options.previews)
        if options.whole:
            figures["whole"] = whole(work)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
