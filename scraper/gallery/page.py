"""Write the results page as Google Images wrote it in July 2026; every class name is drawn anew."""

import base64
import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from pipeline.pictures import PictureError, read_header
from scraper.gallery.alterations import PLACEHOLDER_GIF
from scraper.gallery.catalogue import Result
from scraper.gallery.seeds import seeded

if TYPE_CHECKING:
    from jinja2 import Environment

COLUMNS = 6
INLINE = 23
PLAIN = 37
END_TEXT = "Looks like you've reached the end"
CHIPS = ("at night", "wallpaper", "old", "from above", "colourful")
PLACEHOLDER = "data:image/gif;base64," + base64.b64encode(PLACEHOLDER_GIF).decode()
Start = Literal["inline", "plain", "deferred"]
_INLINED = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_FOLDER = Path(__file__).parent
_ROLES = (
    "head",
    "chips",
    "grid",
    "column",
    "wrapper",
    "box",
    "frame",
    "caption",
    "site",
    "favicon",
    "title",
    "more",
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive results of a query with their bytes; `start` is the first one's rank from 0."""

    start: int
    results: Sequence[Result]
    read: Callable[[Result], bytes]


@dataclass(frozen=True)
class View:
    """What one page load shares with its later batches: its id and where thumbnails live."""

    eid: str
    thumbs: str

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Return a random class name per role, the same for the whole page load."""
        rng = seeded(self.eid)
        return {role: _token(rng) for role in _ROLES}

    def image_id(self, rank: int) -> str:
        """Return the id of a thumbnail's element."""
        return f"dimg_{self.eid}_{rank}"

    def thumb_url(self, result: Result) -> str:
        """Return the address of a thumbnail."""
        return thumb_url(self.thumbs, result)


@dataclass(frozen=True, slots=True)
class _Shown:
    """One thumbnail as the page shows it: its element's id, address, HTML, bytes and start."""

    image: str
    url: str
    html: str
    data: bytes
    start: Start


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
    """Return the page with a query's first batch; `options` are `automatic` and `delay_ms`."""
    shown = [_show(rank, result, batch, view) for rank, result in enumerate(batch.results)]
    return _render(
        "page.html",
        query=query,
        columns=[[one.html for one in shown[first::COLUMNS]] for first in range(COLUMNS)],
        start=len(shown),
        total=total,
        eid=view.eid,
        name=view.names,
        thumbs=view.thumbs,
        chips=CHIPS,
        end_text=END_TEXT,
        script=_script(),
        ldi=_script_map({one.image: one.url for one in shown if one.start == "deferred"}),
        pim=_script_map({one.image: one.url for one in shown if one.start == "inline"}),
        inline=[(one.image, _script_string(one.data)) for one in shown if one.start == "inline"],
        **options,
    )


def later_batch(batch: Batch, view: View) -> dict[str, Any]:
    """Return a further batch as the page's script takes it: items as HTML, all of them deferred."""
    shown = [
        _show(rank, result, batch, view) for rank, result in enumerate(batch.results, batch.start)
    ]
    return {
        "items": [one.html for one in shown],
        "ldi": {one.image: one.url for one in shown if one.start == "deferred"},
    }


def start_page(names: Sequence[str], view: View) -> str:
    """Return the page at `/`: a search box and the classes there are."""
    return _render("start.html", names=names, name=view.names, thumbs=view.thumbs)


def empty_page(query: str, view: View) -> str:
    """Return the honest page of a query without results."""
    return _render("page.html", query=query, columns=None, name=view.names, thumbs=view.thumbs)


def _show(rank: int, result: Result, batch: Batch, view: View) -> "_Shown":
    data, image, url = batch.read(result), view.image_id(rank), view.thumb_url(result)
    start = _start(rank, data) if batch.start == 0 else "deferred"
    width, height = _size(data)
    html = _render(
        "item.html",
        result=result,
        image=image,
        src=url if start == "plain" else PLACEHOLDER,
        deferred=start == "deferred",
        width=width,
        height=height,
        name=view.names,
        thumbs=view.thumbs,
    )
    return _Shown(image, url, html, data, start)


def _start(rank: int, data: bytes) -> Start:
    """Say how a thumbnail of the first batch starts: as on the page of July 2026, by rank."""
    if rank < INLINE and data.startswith(_INLINED):
        return "inline"
    return "plain" if rank < INLINE + PLAIN else "deferred"


def _size(data: bytes) -> tuple[int, int]:
    try:
        header = read_header(data)
    except PictureError:
        return 4, 3
    return header.width, header.height


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


def _render(template: str, **values: object) -> str:
    return str(_templates().get_template(template).render(values))


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  not needed to read --help

    return Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
