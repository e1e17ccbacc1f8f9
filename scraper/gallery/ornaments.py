"""Draw what a results page shows besides its results: site icons and pictures on chips."""

from functools import lru_cache

from PIL import Image, ImageDraw, ImageOps

from scraper.gallery.alterations import encode
from scraper.gallery.drawing import draw
from scraper.gallery.scenes import made_up_scene
from scraper.gallery.seeds import seeded

ICON = 16
CHIP = 96


@lru_cache(maxsize=256)
def favicon(site: str) -> bytes:
    """Return the icon of a site: 16 x 16 px, PNG."""
    rng = seeded(site)
    colour = (rng.randrange(60, 230), rng.randrange(60, 230), rng.randrange(60, 230))
    image = Image.new("RGB", (ICON, ICON), colour)
    ImageDraw.Draw(image).ellipse((4, 4, 11, 11), fill="white")
    return encode(image, "PNG")


@lru_cache(maxsize=64)
def chip_picture(words: str) -> bytes:
    """Return a picture that is no result: 96 x 96 px, JPEG."""
    image = draw(made_up_scene(words), seeded(words))
    return encode(ImageOps.fit(image, (CHIP, CHIP)))
