"""Read one results page or API each."""

from scraper.engines.google_images import GOOGLE_IMAGES

BROWSER_ENGINES = {page.name: page for page in (GOOGLE_IMAGES,)}

__all__ = ["BROWSER_ENGINES"]
