"""Draw a class's pictures: seeded, each far from every other of its class in pHash."""

import math
from functools import lru_cache, partial
from random import Random
from threading import Lock
from urllib.parse import quote_plus

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageOps

from scraper.gallery.catalogue import Originals, encode
from scraper.gallery.scenes import (
    RGB,
    SCENES,
    Band,
    Layer,
    Scene,
    made_up_scene,
    paint,
    placed,
    seeded,
)

SIZES = ((246, 164), (246, 138), (225, 225), (183, 275), (275, 183), (259, 194), (300, 168))
SKIN = ("#f3cfae", "#e0ac80", "#b87a4e", "#8a5634", "#f7dcc4")
HAIR = ("#2a1f1a", "#5a3a20", "#c89a4a", "#8f8f92", "#7a2f1a")
MIN_DISTANCE = 16
ATTEMPTS = 60
# With seed 0 chance brings the first draw of these within 12 bits of another class's picture.
DRAWN_AGAIN = frozenset(
    {
        ("Holiday", 28),
        ("Holiday", 33),
        ("Lake", 36),
        ("Meme", 37),
        ("Mountain", 33),
        ("Night", 38),
        ("Portrait", 15),
        ("Sports", 38),
        ("Sunset", 5),
        ("Sunset", 14),
        ("Sunset", 24),
    }
)
_OTHER_GLYPH = 0.3
_HALF = 0.5
_SCALE = 2
_NOISE = 4.0
_SHADE = 0.24
_DIM = 0.06
_COSINES: NDArray[np.float64] = np.cos(np.pi * np.arange(8)[:, None] * np.arange(1, 65, 2) / 64)


def originals_of(seed: int, count: int) -> Originals:
    """Return a function that draws the originals of each class once, when first called for it."""
    drawn: dict[str, tuple[bytes, ...]] = {}
    lock = Lock()

    def originals(name: str) -> tuple[bytes, ...]:
        with lock:
            if name not in drawn:
                drawn[name] = draw_class(name, count, seed)
            return drawn[name]

    return originals


def draw_class(name: str, count: int, seed: int) -> tuple[bytes, ...]:
    """Draw a class's originals as encoded bytes.

    Before encoding any two are more than 16 bits of pHash apart, mirrored or not: a picture that
    comes too close to an earlier one is drawn again, at most 60 times.
    """
    scene = SCENES.get(name) or made_up_scene(name)
    pictures: list[bytes] = []
    taken: list[NDArray[np.bool_]] = []
    for number in range(count):
        first = int((name, number) in DRAWN_AGAIN)
        for attempt in range(first, first + ATTEMPTS):
            rng = seeded("draw", seed, name, number, attempt)
            image = draw(scene, rng)
            hashes = phashes(image)
            if all(np.count_nonzero(hashes[0] != one) > MIN_DISTANCE for one in taken):
                break
        taken += hashes
        file_format = rng.choices(("JPEG", "WEBP", "PNG"), (0.88, 0.08, 0.04))[0]
        pictures.append(encode(image, file_format, rng.randint(80, 90)))
    return tuple(pictures)


def draw(scene: Scene, rng: Random) -> Image.Image:
    """Draw one picture of a scene, 138 to 300 px a side."""
    width, height = rng.choice(SIZES)
    image = Image.new("RGB", (width * _SCALE, height * _SCALE))
    for element in scene:
        if isinstance(element, Band):
            _paint_band(image, element, rng)
        else:
            _paint_layer(ImageDraw.Draw(image), element, image.size, rng)
    return _lit(image.reduce(_SCALE), rng)


def phashes(image: Image.Image) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the 64-bit perceptual hashes of a picture and of its mirror image.

    Zauner 2010: 32 x 32 px in grey, DCT-II, signs of the lowest 8 x 8 coefficients around their
    median. Mirroring turns the sign of every odd column.
    """
    small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    low: NDArray[np.float64] = _COSINES @ np.asarray(small, dtype=np.float64) @ _COSINES.T
    mirrored = low * np.where(np.arange(8) % 2, -1, 1)
    return (low > np.median(low)).ravel(), (mirrored > np.median(mirrored)).ravel()


def _paint_band(image: Image.Image, band: Band, rng: Random) -> None:
    """Fill from a wavy edge to the foot with a colour that fades a little."""
    width, height = image.size
    top = rng.uniform(*band.top) * height
    slope = rng.uniform(-band.tilt, band.tilt) * height
    wave, turns, phase = band.wave * height, rng.uniform(0.5, 2), rng.uniform(0, 2 * math.pi)
    steps = [step / 24 for step in range(25)]
    edge = [
        (t * width, top + slope * (t - 0.5) + wave * math.sin(turns * t * 2 * math.pi + phase))
        for t in steps
    ]
    colour = np.array(_jittered(rng.choice(band.colours), rng, 14))
    fade = np.linspace(rng.uniform(0.82, 1.05), rng.uniform(0.9, 1.18), height)[:, None, None]
    shades = np.clip(colour * fade, 0, 255).astype(np.uint8)
    fill = Image.fromarray(shades).resize(image.size, Image.Resampling.NEAREST)
    if not any(band.top):
        image.paste(fill)
        return
    mask = Image.new("1", image.size)
    ImageDraw.Draw(mask).polygon([*edge, (width, height), (0, height)], fill=1)
    image.paste(fill, mask=mask)


def _paint_layer(
    pen: ImageDraw.ImageDraw, layer: Layer, size: tuple[int, int], rng: Random
) -> None:
    count = rng.randint(*layer.count)
    glyph = rng.choice(layer.glyphs)
    slots = {"s": SKIN, "h": HAIR, "a": SKIN, "b": HAIR, **layer.colours}
    places = sorted(
        (_place(layer, number, count, rng) for number in range(count)), key=lambda p: p[1]
    )
    for x, y in places:
        if len(layer.glyphs) > 1 and rng.random() < _OTHER_GLYPH:
            glyph = rng.choice(layer.glyphs)
        unit = rng.uniform(*layer.size) * min(size)
        place = partial(
            placed,
            x=x * size[0],
            y=y * size[1],
            unit=unit,
            degrees=rng.uniform(-layer.tilt, layer.tilt),
            stretch=rng.uniform(*layer.stretch),
            mirrored=layer.mirror and rng.random() < _HALF,
        )
        palette = {slot: _jittered(rng.choice(colours), rng, 16) for slot, colours in slots.items()}
        paint(pen, glyph, palette, unit, place)


def _place(layer: Layer, number: int, count: int, rng: Random) -> tuple[float, float]:
    """Return one of `count` places: random, or in even steps along the side that `lay` names."""
    place = []
    for within, even in ((layer.x, "across"), (layer.y, "down")):
        is_even = layer.lay == even
        step = number + rng.uniform(0.35, 0.65) if is_even else rng.random()
        place.append(within[0] + (within[1] - within[0]) * step / (count if is_even else 1))
    return place[0], place[1]


def _jittered(colour: str, rng: Random, amount: int) -> RGB:
    red, green, blue = (
        min(255, max(0, value + rng.randint(-amount, amount)))
        for value in ImageColor.getrgb(colour)
    )
    return red, green, blue


def _lit(image: Image.Image, rng: Random) -> Image.Image:
    """Cast soft light and shadow over a picture and add a camera's noise."""
    noise = np.random.default_rng(rng.getrandbits(32))
    coarse = noise.normal(0, _SHADE, (5, 6)).astype(np.float32)
    light = Image.fromarray(coarse).resize(image.size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, dtype=np.float32) * np.exp(np.asarray(light) - _DIM)[:, :, None]
    pixels += noise.normal(0, _NOISE, (image.height, image.width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


ICON = 16
EXTRA_SIZES = {"chip": (96, 96), "decoy": (300, 200)}
DECOYS = 12


@lru_cache(maxsize=256)
def favicon(site: str) -> bytes:
    """Return the icon of a site: 16 x 16 px, PNG."""
    rng = seeded(site)
    colour = (rng.randrange(60, 230), rng.randrange(60, 230), rng.randrange(60, 230))
    image = Image.new("RGB", (ICON, ICON), colour)
    ImageDraw.Draw(image).ellipse((4, 4, 11, 11), fill="white")
    return encode(image, "PNG")


@lru_cache(maxsize=128)
def extra_picture(kind: str, words: str) -> bytes:
    """Return a picture that is no result, a `chip` (96 x 96 px) or a `decoy` (300 x 200 px), JPEG."""
    rng = seeded(words) if kind == "chip" else seeded(kind, words)
    return encode(ImageOps.fit(draw(made_up_scene(words), rng), EXTRA_SIZES[kind]))


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
