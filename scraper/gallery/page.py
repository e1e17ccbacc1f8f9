"""Write the results page as Google Images wrote it; the class names of 2026 are drawn anew."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.pictures import PictureError, read_header
from scraper.gallery.alterations import PLACEHOLDER_GIF
from scraper.gallery.catalogue import Result
from scraper.gallery.faults import Start, media_type
from scraper.gallery.ornaments import decoys
from scraper.gallery.texts import TEXTS, shown_title
from scraper.gallery.view import View
from scraper.gallery.vintage import (
    LAYOUTS,
    Layout,
    extra_scripts,
    hooks,
    is_bare,
    item_template,
)

if TYPE_CHECKING:
    from jinja2 import Environment

COLUMNS = LAYOUTS["2026"].columns
END_TEXT = TEXTS["en"].end
CHIPS = ("at night", "wallpaper", "old", "from above", "colourful")
PLACEHOLDER = "data:image/gif;base64," + base64.b64encode(PLACEHOLDER_GIF).decode()
_INLINED = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_FOLDER = Path(__file__).parent


def _at_once(_result: Result) -> Start:
    return "inline"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive results of a query with their bytes; `start` is the first one's rank from 0.

    `earliest` says how early a result's thumbnail may be had.
    """

    start: int
    results: Sequence[Result]
    read: Callable[[Result], bytes]
    earliest: Callable[[Result], Start] = _at_once


@dataclass(frozen=True, slots=True)
class _Shown:
    """One thumbnail as the page shows it: its element's id, address, HTML, bytes and start."""

    image: str
    url: str
    html: str
    data: bytes
    start: Start


def results_page(
    query: str, batch: Batch, total: int, view: View, options: Mapping[str, int]
) -> str:
    """Return the page with a query's first batch; `options` are `automatic` and `delay_ms`."""
    shown = [_show(rank, result, batch, view) for rank, result in enumerate(batch.results)]
    wide = view.layout.columns
    later = [] if view.mix.vintage == "2022" else [o for o in shown if o.start == "deferred"]
    early = [one for one in shown if one.start == "inline"]
    columns = [[one.html for one in shown[first::wide]] for first in range(wide)]
    return render(
        f"vintages/page_{view.mix.vintage}.html",
        query=query,
        columns=[column[::-1] if "masonry" in view.mix else column for column in columns],
        start=len(shown),
        total=total,
        eid=view.eid,
        chips=CHIPS,
        end_text=view.texts.end,
        script=_script(view),
        ldi=_script_map({one.image: one.url for one in later}),
        pim=_script_map({one.image: one.url for one in early}),
        inline=[(one.image, _script_string(one.data)) for one in early],
        **_shared(view),
        **options,
    )


def later_batch(batch: Batch, view: View) -> dict[str, Any]:
    """Return a further batch as the page's script takes it: items as HTML, all of them deferred."""
    shown = [
        _show(rank, result, batch, view) for rank, result in enumerate(batch.results, batch.start)
    ]
    items = [one.html for one in shown]
    return {
        "items": _upended(items, view.layout.columns) if "masonry" in view.mix else items,
        "ldi": {one.image: one.url for one in shown if one.start == "deferred"},
    }


def start_page(names: Sequence[str], view: View) -> str:
    """Return the page at `/`: a search box and the classes there are."""
    return render("start.html", names=names, name=view.names, thumbs=view.thumbs)


def empty_page(query: str, view: View) -> str:
    """Return the honest page of a query without results."""
    return render("vintages/page_2026.html", query=query, columns=None, **_shared(view))


def _show(rank: int, result: Result, batch: Batch, view: View) -> "_Shown":
    data, image, url = batch.read(result), view.image_id(rank), view.thumb_url(result)
    start = _start(rank, data, batch.earliest(result), view.layout)
    start = start if batch.start == 0 else "deferred"
    width, height = _size(data)
    html = render(
        item_template(view.mix),
        result=result,
        title=shown_title(result.title, view.texts.lang, result.position),
        rank=rank,
        image=image,
        url=url,
        src=url if start == "plain" else PLACEHOLDER,
        deferred=start == "deferred",
        width=width,
        height=height,
        **_shared(view),
    )
    return _Shown(image, url, html, data, start)


def _shared(view: View) -> dict[str, object]:
    """Return what every template of a page load is given."""
    return {
        "name": view.names,
        "js": view.js,
        "text": view.texts,
        "thumbs": view.thumbs,
        "mix": view.mix,
        "bare": is_bare(view.mix),
        "decoys": decoys(view.thumbs),
    }


def _start(rank: int, data: bytes, earliest: Start, layout: Layout) -> Start:
    """Say how a thumbnail of the first batch starts: as on the page of its year, by rank."""
    if rank < layout.inline and data.startswith(_INLINED) and earliest == "inline":
        return "inline"
    return "plain" if rank < layout.inline + layout.plain and earliest != "deferred" else "deferred"


def _upended(items: list[str], columns: int) -> list[str]:
    """Reverse the items of each column, so that each stays in its own."""
    turned = list(items)
    for first in range(columns):
        turned[first::columns] = items[first::columns][::-1]
    return turned


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


def _script(view: View) -> str:
    text = "\n".join(map(_text, ("page.js", *extra_scripts(view.mix))))
    for selector, ours in hooks(view.mix, view.names, view.js).items():
        text = text.replace(selector, ours)
    return text


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def render(template: str, **values: object) -> str:
    """Fill one of the gallery's templates."""
    return str(_templates().get_template(template).render(values))


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  not needed to read --help

    return Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
