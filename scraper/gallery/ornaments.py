"""Draw what a results page shows besides its results: icons, chips, advertisements, carousels."""

from functools import lru_cache
from urllib.parse import quote_plus

from PIL import Image, ImageDraw, ImageOps

from scraper.gallery.alterations import encode
from scraper.gallery.drawing import draw
from scraper.gallery.scenes import made_up_scene
from scraper.gallery.seeds import seeded

ICON = 16
CHIP = 96
DECOY = (300, 200)
DECOYS = 12


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


@lru_cache(maxsize=64)
def decoy_picture(words: str) -> bytes:
    """Return a picture as big as a result that is none: 300 x 200 px, JPEG."""
    image = draw(made_up_scene(words), seeded("decoy", words))
    return encode(ImageOps.fit(image, DECOY))


@lru_cache(maxsize=8)
def decoys(thumbs: str) -> tuple[dict[str, str], ...]:
    """Return what stands around the results: id, title, picture and page of each."""
    return tuple(
        {
            "id": f"decoy{number:08}M",
            "title": f"Sponsored picture {number}",
            "url": f"{thumbs}/decoy?words={quote_plus(f'decoy {number}')}",
            "page": f"https://shop{number}.example/offer/{number}",
        }
        for number in range(DECOYS)
    )
