"""Say how each class is drawn: scenes.txt as data, and scenes made up for other names.

A scene is painted in the order of its lines. A line is `band TOP COLOURS` (fills from TOP down to
the picture's foot; `wave` and `tilt` shape its edge) or `GLYPHS COUNT` with `x`, `y`, `size`,
`stretch`, `tilt` (degrees either way), `lay`, `mirror=0` and colour slots. `3-5` is a range to
draw from, colours parted by commas and glyphs parted by `|` are choices. Places are fractions of
the picture's width and height, sizes of its shorter side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Literal

from scraper.gallery.seeds import seeded
from scraper.gallery.shapes import glyphs

Range = tuple[float, float]
Lay = Literal["scatter", "across", "down"]
SIMPLE = 2  # glyphs of so few parts say nothing by themselves
_FILE = Path(__file__).with_name("scenes.txt")
_SLOTS = ("a", "b")
_LAYS: dict[str, Lay] = {"scatter": "scatter", "across": "across", "down": "down"}


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
    lay: Lay = "scatter"
    mirror: bool = True
    colours: Mapping[str, tuple[str, ...]]


Scene = tuple[Band | Layer, ...]


def read_scenes(text: str) -> dict[str, Scene]:
    """Read scenes under `[name]` headings, in their order."""
    scenes: dict[str, Scene] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            scenes[name] = ()
        elif line and not line.startswith("#"):
            scenes[name] += (_read_line(line.split()),)
    return scenes


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
        lay=_LAYS[options.get("lay", "scatter")],
        mirror=options.get("mirror") != "0",
        colours={slot: tuple(options[slot].split(",")) for slot in _SLOTS if slot in options},
    )


def _range(word: str) -> Range:
    low, _, high = word.rpartition("-")
    return float(low or high), float(high)


SCENES: Mapping[str, Scene] = MappingProxyType(read_scenes(_FILE.read_text(encoding="utf-8")))
