"""Measure how fast one browser harvests 1,000 previews, beside the usual way of doing it.

The usual way: scroll with one command per step, then read each thumbnail's address element by
element and fetch it again with `requests.get`. Both read the same local page in one run.
Prints one JSON object.
"""

import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests
from selenium.webdriver.common.by import By

from pipeline.manifest import Manifest
from pipeline.progress import Output
from scraper.browser import ChromiumPage
from scraper.collect import scrape
from scraper.driver import choose
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.gallery.serve import Gallery, running_gallery
from scraper.gallery.settings import GallerySettings
from scraper.settings import ScrapeSettings

PREVIEWS = 1000
PEER_STEPS = 40
SETTLE_S = 1.0


def draw(folder: Path, number: int) -> set[str]:
    """Draw `number` different JPEGs of preview size; return their SHA-256."""
    folder.mkdir(parents=True)
    digests = set()
    for seed in range(number):
        coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((246, 184), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=88)
        (folder / f"{seed:04}.jpg").write_bytes(buffer.getvalue())
        digests.add(hashlib.sha256(buffer.getvalue()).hexdigest())
    return digests


def ours(gallery: Gallery, work: Path, served: set[str]) -> dict[str, float]:
    """Scrape everything with one browser; return seconds, rate and exactness."""
    (work / "classes.txt").write_text("Bench\n")
    settings = ScrapeSettings(
        classes=work / "classes.txt",
        dataset=work / "set",
        per_class=PREVIEWS + 1,
        search_url=gallery.search_url,
        pause=0,
    )
    began = perf_counter()
    scrape(settings=settings, output=Output(quiet=True))
    seconds = perf_counter() - began
    with Manifest(work / "set" / "manifest.db") as manifest:
        found = {image.sha256 for image in manifest.images()}
    return {
        "seconds": round(seconds, 2),
        "previews_per_second": round(len(found) / seconds, 1),
        "found": len(found),
        "identical_bytes": len(found & served),
    }


def usual(gallery: Gallery, served: set[str]) -> dict[str, float]:
    """Scroll by commands, read element by element, fetch each address again."""
    choice = choose(None, os.environ, shutil.which)
    page = ChromiumPage(choice, GOOGLE_IMAGES)
    driver = page._driver  # noqa: SLF001  the peer needs the bare driver
    found = set()
    began = perf_counter()
    try:
        driver.get(gallery.search_url.replace("{query}", "Bench"))
        for _ in range(PEER_STEPS):
            driver.execute_script("window.scrollBy(0, document.body.scrollHeight)")
            sleep(SETTLE_S / 10)
        for image in driver.find_elements(By.CSS_SELECTOR, "[data-docid][data-lpage] a img"):
            src = image.get_attribute("src") or ""
            if src.startswith("http"):
                found.add(hashlib.sha256(requests.get(src, timeout=10).content).hexdigest())
    finally:
        seconds = perf_counter() - began
        page.close()
    good = found & served
    return {
        "seconds": round(seconds, 2),
        "previews_per_second": round(len(good) / seconds, 1),
        "found": len(good),
        "identical_bytes": len(good),
    }


def main() -> None:
    """Measure both and print the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        served = draw(work / "pictures" / "Bench", PREVIEWS)
        settings = GallerySettings(port=0, pictures=work / "pictures", delay_ms=60)
        with running_gallery(settings) as gallery:
            figures = {"served": len(served), "usual": usual(gallery, served)}
            figures["ours"] = ours(gallery, work, served)
    figures["yield"] = figures["ours"]["identical_bytes"] / len(served)
    figures["rate_ratio"] = round(
        figures["ours"]["previews_per_second"] / max(figures["usual"]["previews_per_second"], 0.1),
        2,
    )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
