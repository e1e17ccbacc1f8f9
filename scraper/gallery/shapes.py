"""Paint glyphs: small drawings kept as text, placed anywhere at any size and angle.

glyphs.txt holds them under `[name]` headings. A line is one of

    oval COLOUR x,y rx,ry              ring COLOUR WIDTH x,y rx,ry
    poly COLOUR x,y x,y ...            line COLOUR WIDTH x,y x,y ...
    petals COLOUR COUNT RADIUS rx,ry   windows COLOUR columns,rows left,top right,bottom

`ovals`, `rings`, `polys` and `lines` paint a mirrored twin too. Coordinates are in units of the
glyph's size, x to the right, y down. A colour is hexadecimal or a slot (`a`, `b`, `s` for skin,
`h` for hair) that the palette fills.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]
Palette = Mapping[str, Colour]
_CORNERS = 22
_FILE = Path(__file__).with_name("glyphs.txt")


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline, or one line when it has a width, in the glyph's own coordinates."""

    colour: str
    points: tuple[Point, ...]
    width: float = 0


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a glyph goes: its origin and its unit in px, its angle, width and direction."""

    x: float
    y: float
    unit: float
    degrees: float = 0
    stretch: float = 1
    mirrored: bool = False

    def place(self, points: tuple[Point, ...]) -> list[Point]:
        """Return a glyph's points in px of the picture."""
        wide = self.unit * self.stretch * (-1 if self.mirrored else 1)
        turn = math.radians(self.degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        return [
            (
                self.x + cos * wide * u - sin * self.unit * v,
                self.y + sin * wide * u + cos * self.unit * v,
            )
            for u, v in points
        ]


def paint(pen: ImageDraw.ImageDraw, glyph: str, placing: Placing, palette: Palette) -> None:
    """Paint the parts of a glyph, named as in glyphs.txt, in their order."""
    for part in glyphs()[glyph]:
        points = placing.place(part.points)
        colour = palette.get(part.colour) or rgb(part.colour)
        if part.width:
            width = max(1, round(part.width * placing.unit))
            pen.line(points, fill=colour, width=width, joint="curve")
        else:
            pen.polygon(points, fill=colour)


@lru_cache(maxsize=1024)
def rgb(colour: str) -> Colour:
    """Read a colour such as `#ffcc00`."""
    value = int(colour[1:], 16)
    return value >> 16, value >> 8 & 255, value & 255


@cache
def glyphs() -> Mapping[str, tuple[Part, ...]]:
    """Return every glyph of glyphs.txt by name."""
    found: dict[str, tuple[Part, ...]] = {}
    name = ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            found[name] = ()
        elif line and not line.startswith("#"):
            found[name] += tuple(_read_line(line.split()))
    return found


def _read_line(words: list[str]) -> Iterator[Part]:
    shape, colour, *rest = words
    if shape == "windows":
        yield from (Part(colour, outline) for outline in _windows(*map(_point, rest)))
        return
    if shape == "petals":
        yield from (Part(colour, outline) for outline in _petals(*rest))
        return
    kind = shape.removesuffix("s")
    width = float(rest.pop(0)) if kind in {"line", "ring"} else 0
    points = tuple(map(_point, rest))
    if kind in {"oval", "ring"}:
        points = _oval(*points)
    yield Part(colour, points, width)
    if shape != kind:
        yield Part(colour, tuple((-x, y) for x, y in points), width)


def _point(word: str) -> Point:
    x, y = word.split(",")
    return float(x), float(y)


def _oval(centre: Point, radii: Point) -> tuple[Point, ...]:
    turns = (2 * math.pi * corner / _CORNERS for corner in range(_CORNERS + 1))
    return tuple(
        (centre[0] + radii[0] * math.cos(turn), centre[1] + radii[1] * math.sin(turn))
        for turn in turns
    )


def _petals(count: str, radius: str, radii: str) -> Iterator[tuple[Point, ...]]:
    for number in range(int(count)):
        turn = 2 * math.pi * number / int(count)
        centre = (float(radius) * math.cos(turn), float(radius) * math.sin(turn))
        yield _oval(centre, _point(radii))


def _windows(counts: Point, first: Point, last: Point) -> Iterator[tuple[Point, ...]]:
    """Give one rectangle per cell of a grid, three fifths of its cell wide and high."""
    wide, high = (last[0] - first[0]) / counts[0], (last[1] - first[1]) / counts[1]
    for row in range(int(counts[1])):
        for column in range(int(counts[0])):
            x, y = first[0] + wide * (column + 0.2), first[1] + high * (row + 0.2)
            right, bottom = x + wide * 0.6, y + high * 0.6
            yield ((x, y), (right, y), (right, bottom), (x, bottom))
