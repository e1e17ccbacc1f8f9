"""Draw what sites draw over pictures: text, tiled text, a logo, a caption, a stamp.

Place, tone and wording come from the source's name, so that every run draws the same.
"""

import io
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageFont

Draw = ImageDraw.ImageDraw
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
_QUALITY = 88


def marked(image: Image.Image, kind: str, source: str) -> bytes:
    """Return a JPEG of an RGB picture with a mark of this kind of MARKS drawn over it."""
    layer = Image.new("RGBA", image.size)
    layer = MARKS[kind](layer, Random(f"{kind} {source}"))  # noqa: S311  drawings, no secrets
    buffer = io.BytesIO()
    over = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    over.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _text(layer: Image.Image, random: Random) -> Image.Image:
    width, height = layer.size
    words = random.choice(["(c) example.com", "SAMPLE", "stock photo"])
    place = (random.uniform(0, 0.45) * width, random.uniform(0.05, 0.85) * height)
    font = _font(random.uniform(0.06, 0.12) * height)
    tone = random.choice([WHITE, BLACK])
    ImageDraw.Draw(layer).text(
        place, words, font=font, fill=(*tone, random.choice([100, 130, 160]))
    )
    return layer


def _outlined(layer: Image.Image, random: Random) -> Image.Image:
    width, height = layer.size
    place = (random.uniform(0.05, 0.4) * width, random.uniform(0.05, 0.8) * height)
    font = _font(0.1 * height)
    draw = ImageDraw.Draw(layer)
    draw.text(place, "MEME TEXT", font=font, fill=WHITE, stroke_width=1, stroke_fill=BLACK)
    return layer


def _tiled(layer: Image.Image, random: Random) -> Image.Image:
    def tiles(draw: Draw, side: int) -> None:
        step = max(15, int(0.15 * layer.height))
        tone = random.choice([WHITE, BLACK])
        for row, y in enumerate(range(0, side, step)):
            for x in range(-2 * step * (row % 2), side, 4 * step):
                draw.text((x, y), "photobank", font=_font(0.07 * layer.height), fill=(*tone, 80))

    return _turned(layer, 30, tiles)


def _stamp(layer: Image.Image, random: Random) -> Image.Image:
    def letters(draw: Draw, side: int) -> None:
        font = _font(0.25 * layer.height)
        tone = random.choice([WHITE, (200, 30, 30)])
        draw.text((side / 2, side / 2), "PROOF", font=font, fill=(*tone, 110), anchor="mm")

    return _turned(layer, 40, letters)


def _logo(layer: Image.Image, random: Random) -> Image.Image:
    width, height = layer.size
    side, margin = 0.2 * height, 0.03 * height
    x = random.choice([margin, width - margin - side])
    y = random.choice([margin, height - margin - side])
    tone = random.choice([(200, 30, 30), (20, 40, 120), (240, 180, 0)])
    draw = ImageDraw.Draw(layer)
    draw.ellipse((x, y, x + side, y + side), fill=(*tone, 200))
    draw.text((x + side / 2, y + side / 2), "N", font=_font(0.6 * side), fill=WHITE, anchor="mm")
    return layer


def _caption(layer: Image.Image, random: Random) -> Image.Image:
    width, height = layer.size
    tall = random.uniform(0.09, 0.15) * height
    top = random.choice([0.0, height - tall, height - tall])
    tones = random.choice([(BLACK, WHITE), (WHITE, BLACK)])
    draw = ImageDraw.Draw(layer)
    draw.rectangle((0, top, width, top + tall), fill=tones[0])
    words = "A caption, www.example.com"
    draw.text((0.05 * width, top + 0.1 * tall), words, font=_font(0.65 * tall), fill=tones[1])
    return layer


def _turned(layer: Image.Image, degrees: int, draw: Callable[[Draw, int], None]) -> Image.Image:
    """Draw on a square that covers the layer when it is turned."""
    side = 2 * max(layer.size)
    square = Image.new("RGBA", (side, side))
    draw(ImageDraw.Draw(square), side)
    square = square.rotate(degrees, Image.Resampling.BICUBIC)
    left, top = (side - layer.width) // 2, (side - layer.height) // 2
    return square.crop((left, top, left + layer.width, top + layer.height))


def _font(height: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, int(height)))


MARKS: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "marked_text": _text,
    "marked_outlined": _outlined,
    "marked_tiled": _tiled,
    "marked_stamp": _stamp,
    "marked_logo": _logo,
    "marked_caption": _caption,
}
