"""Write the results page as Google Images wrote it in July 2026; every class name is drawn anew."""

import base64
import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageDraw

from pipeline.pictures import PictureError, read_header
from scraper.gallery.alterations import PLACEHOLDER_GIF, encode
from scraper.gallery.catalogue import Result

COLUMNS = 6
INLINE = 23
PLAIN = 37
END_TEXT = "Looks like you've reached the end"
CHIPS = ("at night", "drawing", "old", "from above", "colourful")
PLACEHOLDER = "data:image/gif;base64," + base64.b64encode(PLACEHOLDER_GIF).decode()
_FOLDER = Path(__file__).parent
_ROLES = (
    "head chips grid column wrapper box frame caption site favicon title more".split()  # noqa: SIM905  a row of words
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive results of a query with their bytes; `start` is the first one's rank from 0."""

    start: int
    results: Sequence[Result]
    read: Callable[[Result], bytes]


@dataclass(frozen=True, slots=True)
class View:
    """What one page load shares with its later batches: its id and where thumbnails live."""

    eid: str
    thumbs: str

    @property
    def names(self) -> Mapping[str, str]:
        """Return a random class name per role, the same for the whole page load."""
        rng = Random(self.eid)  # noqa: S311  random looks, no secret
        return {role: _token(rng) for role in _ROLES}

    def image_id(self, rank: int) -> str:
        """Return the id of a thumbnail's element."""
        return f"dimg_{self.eid}_{rank}"

    def thumb_url(self, result: Result) -> str:
        """Return the address of a thumbnail."""
        return thumb_url(self.thumbs, result)


def thumb_url(thumbs: str, result: Result) -> str:
    """Return the address of a thumbnail on an origin such as `http://127.0.0.1:8100`."""
    return f"{thumbs}/images?q=tbn:{result.thumb_id}&s=10"


def media_type(data: bytes) -> str:
    """Return the content type a server gives these bytes."""
    try:
        return f"image/{read_header(data).format.lower()}"
    except PictureError:
        return "text/html" if data.startswith(b"<") else "image/jpeg"


def results_page(
    query: str, batch: Batch, total: int, view: View, options: Mapping[str, int]
) -> str:
    """Return the HTML of a query's first batch; `options` are `automatic` and `delay_ms`."""
    columns: list[list[str]] = [[] for _ in range(COLUMNS)]
    ldi: dict[str, str] = {}
    pim: dict[str, str] = {}
    inline = []
    for rank, result in enumerate(batch.results):
        data, image = batch.read(result), view.image_id(rank)
        as_data = rank < INLINE and _is_whole(data)
        plain = not as_data and rank < INLINE + PLAIN
        src = view.thumb_url(result) if plain else PLACEHOLDER
        columns[rank % COLUMNS].append(
            _item(result, data, rank, view, src, deferred=not (as_data or plain))
        )
        if as_data:
            inline.append((image, _script_string(data)))
            pim[image] = view.thumb_url(result)
        elif not plain:
            ldi[image] = view.thumb_url(result)
    return _template("page.html").render(
        query=query,
        columns=columns,
        start=len(batch.results),
        total=total,
        eid=view.eid,
        name=view.names,
        thumbs=view.thumbs,
        chips=CHIPS,
        end_text=END_TEXT,
        script=_script(),
        ldi=_script_map(ldi),
        pim=_script_map(pim),
        inline=inline,
        **options,
    )


def later_batch(batch: Batch, view: View) -> dict[str, Any]:
    """Return a further batch as the page's script takes it: items as HTML, all of them deferred."""
    ranks = range(batch.start, batch.start + len(batch.results))
    pairs = list(zip(ranks, batch.results, strict=True))
    items = [
        _item(result, batch.read(result), rank, view, PLACEHOLDER, deferred=True)
        for rank, result in pairs
    ]
    return {
        "items": items,
        "ldi": {view.image_id(r): view.thumb_url(result) for r, result in pairs},
    }


def start_page(names: Sequence[str], view: View) -> str:
    """Return the page at `/`: a search box and the classes there are."""
    return _template("start.html").render(names=names, name=view.names, thumbs=view.thumbs)


@lru_cache(maxsize=256)
def favicon(site: str) -> bytes:
    """Draw the 16 x 16 px sign of a site as PNG."""
    rng = Random(site)  # noqa: S311  random looks, no secret
    image = Image.new("RGB", (16, 16), tuple(rng.randrange(60, 230) for _ in range(3)))
    ImageDraw.Draw(image).ellipse((4, 4, 11, 11), fill="white")
    return encode(image, "PNG")


@lru_cache(maxsize=64)
def decoration(number: str) -> bytes:
    """Draw a 96 x 96 px picture that is no result, for chips and the logo, as PNG."""
    rng = Random(f"decoration {number}")  # noqa: S311  random looks, no secret
    image = Image.new("RGB", (96, 96), tuple(rng.randrange(120, 240) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, r = rng.randrange(96), rng.randrange(96), rng.randrange(10, 40)
        colour = tuple(rng.randrange(60, 250) for _ in range(3))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    return encode(image, "PNG")


def empty_page(query: str, view: View) -> str:
    """Return the honest page of a query without results."""
    return _template("page.html").render(
        query=query, columns=None, name=view.names, thumbs=view.thumbs
    )


def _item(result: Result, data: bytes, rank: int, view: View, src: str, *, deferred: bool) -> str:
    width, height = _size(data)
    return _template("item.html").render(
        result=result,
        image=view.image_id(rank),
        src=src,
        deferred=deferred,
        width=width,
        height=height,
        name=view.names,
        thumbs=view.thumbs,
    )


def _size(data: bytes) -> tuple[int, int]:
    try:
        header = read_header(data)
    except PictureError:
        return 4, 3
    return header.width, header.height


def _is_whole(data: bytes) -> bool:
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF"))


def _script_string(data: bytes) -> str:
    body = base64.b64encode(data).decode().replace("=", r"\x3d")
    return f"data:{media_type(data)};base64,{body}"


def _script_map(addresses: Mapping[str, str]) -> str:
    return json.dumps(addresses).replace("=", r"\u003d").replace("&", r"\u0026")


def _token(rng: Random) -> str:
    letters = rng.choices(string.ascii_letters, k=1) + rng.choices(
        string.ascii_letters + string.digits, k=5
    )
    return "".join(letters)


@cache
def _script() -> str:
    return (_FOLDER / "page.js").read_text(encoding="utf-8")


@cache
def _template(name: str) -> Any:  # noqa: ANN401  jinja2 is imported late
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  not needed to read --help

    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
    return environment.get_template(name)
