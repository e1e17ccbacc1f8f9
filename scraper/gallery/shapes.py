"""Paint glyphs: small drawings written as lines of text, placed anywhere at any size and angle.

A glyph's line is `oval COLOUR x,y rx,ry`, `ring COLOUR WIDTH x,y rx,ry`, `poly COLOUR x,y ...` or
`line COLOUR WIDTH x,y ...`; a plural (`ovals`) paints a mirrored twin too. Coordinates are in
units of the glyph's size, x to the right and y down; a colour is a hexadecimal one or a slot
(`a`, `b`, ...) that the palette fills.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]
Palette = Mapping[str, Colour]
_CORNERS = 22


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline, or one line when it has a width, in the glyph's own coordinates."""

    colour: str
    points: tuple[Point, ...]
    width: float = 0


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a glyph goes: its origin in px, its unit in px, its angle, width and direction."""

    x: float
    y: float
    unit: float
    degrees: float = 0
    stretch: float = 1
    mirrored: bool = False

    def place(self, point: Point) -> Point:
        """Return a glyph's point in px of the picture."""
        u, v = point[0] * self.stretch * (-1 if self.mirrored else 1), point[1]
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return self.x + self.unit * (cos * u - sin * v), self.y + self.unit * (sin * u + cos * v)


def paint(pen: ImageDraw.ImageDraw, glyph: str, placing: Placing, palette: Palette) -> None:
    """Paint a glyph's parts in their order."""
    for part in parts_of(glyph):
        points = [placing.place(point) for point in part.points]
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


@lru_cache(maxsize=256)
def parts_of(glyph: str) -> tuple[Part, ...]:
    """Read a glyph's lines of text."""
    return tuple(part for line in glyph.strip().splitlines() for part in _read_line(line.split()))


def _read_line(words: list[str]) -> list[Part]:
    shape, colour, *rest = words
    kind = shape.removesuffix("s")
    width = float(rest.pop(0)) if kind in {"line", "ring"} else 0
    points = tuple(_point(word) for word in rest)
    if kind in {"oval", "ring"}:
        points = _oval(points[0], points[1])
    part = Part(colour, points, width)
    if shape == kind:
        return [part]
    return [part, Part(colour, tuple((-x, y) for x, y in points), width)]


def _point(word: str) -> Point:
    x, y = word.split(",")
    return float(x), float(y)


def _oval(centre: Point, radii: Point) -> tuple[Point, ...]:
    turns = (2 * math.pi * corner / _CORNERS for corner in range(_CORNERS + 1))
    return tuple(
        (centre[0] + radii[0] * math.cos(turn), centre[1] + radii[1] * math.sin(turn))
        for turn in turns
    )
