"""Draw pictures."""

from functools import cache
from random import Random

from PIL import Image, ImageDraw

from scraper.gallery.alterations import encode


class Studio:
    """Draws originals."""

    def __init__(self, seed: int, count: int) -> None:
        """Keep the seed."""
        self._seed, self._count = seed, count
        self.originals = cache(self._draw)

    def _draw(self, name: str) -> tuple[bytes, ...]:
        return tuple(_one(Random(f"{self._seed} {name} {n}"), Random(name)) for n in range(self._count))


def _one(rng: Random, own: Random) -> bytes:
    image = Image.new("RGB", (rng.randrange(180, 260), 180), tuple(own.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, r = rng.randrange(240), rng.randrange(180), rng.randrange(10, 60)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.randrange(256) for _ in range(3)))
    return encode(image)
