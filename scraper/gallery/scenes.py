"""Say how each class is drawn: scenes.txt as data, and scenes made up for other names.

A scene is painted in the order of its lines. A line is `band TOP COLOURS` (fills from TOP down to
the picture's foot; `wave` and `tilt` shape its edge) or `GLYPHS COUNT` with `x`, `y`, `size`,
`stretch`, `tilt` (degrees either way), `lay`, `mirror=0` and colour slots. `3-5` is a range to
draw from, colours parted by commas and glyphs parted by `|` are choices. Places are fractions of
the picture's width and height, sizes of its shorter side.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from PIL import ImageDraw

Point = tuple[float, float]
RGB = tuple[int, int, int]
Palette = Mapping[str, RGB | str]
Place = Callable[[Iterable[Point]], list[Point]]
_CORNERS = 22
_GLYPHS = Path(__file__).with_name("glyphs.txt")


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline, or one line when it has a width, in the glyph's own coordinates."""

    colour: str
    points: tuple[Point, ...]
    width: float = 0


def placed(
    points: Iterable[Point],
    *,
    x: float,
    y: float,
    unit: float,
    degrees: float = 0,
    stretch: float = 1,
    mirrored: bool = False,
) -> list[Point]:
    """Return a glyph's points in px of the picture, from its origin and its unit in px."""
    wide = unit * stretch * (-1 if mirrored else 1)
    turn = math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (x + cos * wide * u - sin * unit * v, y + sin * wide * u + cos * unit * v)
        for u, v in points
    ]


def paint(
    pen: ImageDraw.ImageDraw, glyph: str, palette: Palette, unit: float, place: Place
) -> None:
    """Paint the parts of a glyph, named as in glyphs.txt, in their order; `place` puts them there."""
    for part in glyphs()[glyph]:
        points = place(part.points)
        colour = palette.get(part.colour, part.colour)
        if part.width:
            pen.line(points, fill=colour, width=max(1, round(part.width * unit)), joint="curve")
        else:
            pen.polygon(points, fill=colour)


@cache
def glyphs() -> Mapping[str, tuple[Part, ...]]:
    """Return every glyph of glyphs.txt by name."""
    return {
        name: tuple(part for line in lines for part in _read_glyph_line(line))
        for name, lines in _sections(_GLYPHS.read_text(encoding="utf-8")).items()
    }


def _sections(text: str) -> dict[str, list[list[str]]]:
    """Return the words of each line under each `[name]` heading; `#` begins a comment."""
    sections: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            lines = sections[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            lines.append(line.split())
    return sections


def _read_glyph_line(words: list[str]) -> Iterator[Part]:
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


def seeded(*key: object) -> Random:
    """Return the generator that belongs to a key."""
    return Random(" ".join(map(str, key)))  # noqa: S311  reproducible drawings, no secrets


Range = tuple[float, float]
SIMPLE = 2  # glyphs of so few parts say nothing by themselves
_FILE = Path(__file__).with_name("scenes.txt")
_SLOTS = ("a", "b")


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of colour from an edge down to the picture's foot."""

    top: Range
    colours: tuple[str, ...]
    wave: float = 0
    tilt: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Some glyphs, how many, where and how big."""

    glyphs: tuple[str, ...]
    count: tuple[int, int]
    x: Range
    y: Range
    size: Range
    stretch: Range = (1, 1)
    tilt: float = 0
    lay: str = "scatter"
    mirror: bool = True
    colours: Mapping[str, tuple[str, ...]]


Scene = tuple[Band | Layer, ...]


def read_scenes(text: str) -> dict[str, Scene]:
    """Read scenes under `[name]` headings, in their order."""
    return {name: tuple(map(_read_line, lines)) for name, lines in _sections(text).items()}


def made_up_scene(name: str) -> Scene:
    """Return a scene for any name: two bands and three glyphs in colours of the name's own."""
    rng = seeded("scene", name)
    names = sorted(name for name, parts in glyphs().items() if len(parts) > SIMPLE)
    chosen = rng.sample(names, 3)
    bands = tuple(
        Band(top, _colours(rng), wave=rng.uniform(0, 0.1)) for top in ((0, 0), (0.4, 0.75))
    )
    sizes = ((0.1, 0.2), (0.14, 0.24), (0.26, 0.38))
    layers = tuple(
        Layer(
            glyphs=(glyph,),
            count=(1, 4 - number),
            x=(0.15, 0.85),
            y=(0.45, 0.9),
            size=sizes[number],
            tilt=20,
            colours={slot: _colours(rng) for slot in _SLOTS},
        )
        for number, glyph in enumerate(chosen)
    )
    return bands + layers


def _colours(rng: Random) -> tuple[str, ...]:
    return tuple(f"#{rng.randrange(0x202020, 0xF0F0F0):06x}" for _ in range(2))


def _read_line(words: list[str]) -> Band | Layer:
    first, second, *rest = words
    if first == "band":
        extras = dict(word.split("=") for word in rest[1:])
        return Band(
            _range(second), tuple(rest[0].split(",")), **{key: float(extras[key]) for key in extras}
        )
    options = dict(word.split("=") for word in rest)
    low, high = _range(second)
    return Layer(
        glyphs=tuple(first.split("|")),
        count=(int(low), int(high)),
        x=_range(options["x"]),
        y=_range(options["y"]),
        size=_range(options["size"]),
        stretch=_range(options.get("stretch", "1")),
        tilt=float(options.get("tilt", 0)),
        lay=options.get("lay", "scatter"),
        mirror=options.get("mirror") != "0",
        colours={slot: tuple(options[slot].split(",")) for slot in _SLOTS if slot in options},
    )


def _range(word: str) -> Range:
    low, _, high = word.rpartition("-")
    return float(low or high), float(high)


SCENES: Mapping[str, Scene] = read_scenes(_FILE.read_text(encoding="utf-8"))
