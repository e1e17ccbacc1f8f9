"""Draw frames around pictures: what photo apps, feeds, screenshots and memes put around them."""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageOps

Frame = Callable[[Image.Image], Image.Image]
Place = tuple[int, int, int, int]

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def _put(canvas: Image.Image, picture: Image.Image, place: Place) -> Image.Image:
    """Paste a picture cut to width x height at left, top."""
    left, top, width, height = place
    cut = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
    canvas.paste(cut, (left, top))
    return canvas


def polaroid(picture: Image.Image) -> Image.Image:
    """Return it on white paper, with a broad margin below."""
    return _put(Image.new("RGB", (240, 230), _WHITE), picture, (14, 14, 212, 159))


def story(picture: Image.Image) -> Image.Image:
    """Return it between black bars above and below, as a phone shows it in portrait."""
    return _put(Image.new("RGB", (180, 320), _BLACK), picture, (0, 90, 180, 135))


def wood(picture: Image.Image) -> Image.Image:
    """Return it in a frame of many tones, the same each time."""
    rng = np.random.default_rng(1)
    grain = np.kron(rng.normal(0, 25, (55, 65)), np.ones((4, 4)))
    tones = 120 + grain + np.linspace(0, 24, 260) + 20 * np.sin(np.arange(220) / 5)[:, None]
    grey = tones.clip(0, 255)
    pixels = np.stack([grey, grey * 0.7, grey * 0.4], axis=2).astype(np.uint8)
    return _put(Image.fromarray(pixels), picture, (36, 38, 188, 141))


def rounded(picture: Image.Image) -> Image.Image:
    """Return it with round corners on a light ground."""
    mask = Image.new("L", (200, 150), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 199, 149), 36, fill=255)
    canvas = Image.new("RGB", (240, 195), (235, 230, 220))
    canvas.paste(ImageOps.fit(picture, (200, 150), Image.Resampling.BICUBIC), (20, 22), mask)
    return canvas


def gradient(picture: Image.Image) -> Image.Image:
    """Return it on a ground that gets lighter from left to right."""
    tones = np.tile(np.linspace(30, 220, 260).astype(np.uint8), (220, 1))
    return _put(Image.fromarray(tones).convert("RGB"), picture, (40, 40, 184, 138))


def feed(picture: Image.Image) -> Image.Image:
    """Return a phone's screenshot of it in a feed: status bar, name, text and buttons."""
    canvas = Image.new("RGB", (200, 330), (250, 250, 250))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, 200, 24), fill=(40, 40, 40))
    draw.text((8, 6), "12:30   LTE  85%", fill="white")
    draw.ellipse((8, 32, 32, 56), fill=(200, 80, 80))
    draw.text((40, 38), "someone", fill="black")
    draw.text((8, 222), "likes 1,024", fill="black")
    for y in range(240, 290, 14):
        draw.line((8, y, 150 + (y * 7) % 40, y), fill=(120, 120, 120), width=4)
    draw.rectangle((0, 300, 200, 330), fill=(230, 230, 230))
    for x in range(20, 200, 40):
        draw.ellipse((x, 306, x + 18, 324), fill=(80, 80, 80))
    return _put(canvas, picture, (0, 64, 200, 150))


def web_page(picture: Image.Image) -> Image.Image:
    """Return a screenshot of a page of text with it in the middle."""
    canvas = Image.new("RGB", (320, 240), (245, 245, 245))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, 320, 22), fill=(60, 90, 160))
    draw.text((8, 6), "NEWS   Sport  Weather", fill="white")
    for y in range(34, 230, 10):
        draw.line((8, y, 90 + (y * 13) % 20, y), fill=(90, 90, 90), width=3)
    for y in range(190, 235, 10):
        draw.line((118, y, 280 + (y * 11) % 30, y), fill=(90, 90, 90), width=3)
    return _put(canvas, picture, (118, 34, 192, 144))


def meme(picture: Image.Image) -> Image.Image:
    """Return it below a white band of text."""
    canvas = Image.new("RGB", (240, 240), _WHITE)
    draw = ImageDraw.Draw(canvas)
    for number, y in enumerate((6, 22, 38)):
        draw.rectangle((10, y, 200 - 20 * number, y + 9), fill="black")
    for x in range(20, 200, 13):
        draw.rectangle((x, 4, x + 3, 50), fill="white")
    return _put(canvas, picture, (0, 60, 240, 180))


def tilted(picture: Image.Image) -> Image.Image:
    """Return it turned by 25 degrees, with black corners."""
    cut = ImageOps.fit(picture, (240, 180), Image.Resampling.BICUBIC)
    return cut.rotate(25, Image.Resampling.BICUBIC, expand=True, fillcolor="black")


def watermark(picture: Image.Image) -> Image.Image:
    """Return it with the same large mark over it."""
    cut = ImageOps.fit(picture, (220, 165), Image.Resampling.BICUBIC).convert("RGBA")
    layer = Image.new("RGBA", cut.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for top in (20, 65, 110):
        draw.rectangle((30, top, 190, top + 24), outline=(255, 255, 255, 170), width=4)
        draw.text((50, top + 4), "STOCK PHOTO", fill=(255, 255, 255, 170))
    return Image.alpha_composite(cut, layer).convert("RGB")


def bare(picture: Image.Image) -> Image.Image:
    """Return it without a frame, cut to the same 4:3."""
    return ImageOps.fit(picture, (220, 165), Image.Resampling.BICUBIC)


# Those whose picture stands upright: a copy in one of them is looked for in the next.
FRAMES: Mapping[str, Frame] = {
    frame.__name__: frame
    for frame in (polaroid, story, wood, rounded, gradient, feed, web_page, meme)
}
OTHERS: Mapping[str, Frame] = {frame.__name__: frame for frame in (tilted, watermark, bare)}
