"""Write the results page as Google Images wrote it in three years."""

import base64
import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from sceneset.images import PictureError, read_header
from scraper.gallery.behaviours import Mix, Vintage
from scraper.gallery.catalogue import PLACEHOLDER_GIF, Result
from scraper.gallery.drawing import decoys
from scraper.gallery.faults import Start, media_type
from scraper.gallery.scenes import seeded
from scraper.gallery.texts import FOREIGN, TEXTS, Texts, shown_title

if TYPE_CHECKING:
    from jinja2 import Environment


Names = Mapping[str, str]
JS_NAMES = {"item": "dTDiAc", "inner": "qQjpJ", "more": "oHxHid", "again": "a79Lwf"}
_GRID, _COLUMN = "[data-id=mosaic]", "[data-l]"
_MORE, _AGAIN = "[jsname=oHxHid]", "[jsname=a79Lwf]"


@dataclass(frozen=True, slots=True)
class Layout:
    """One year's page: how many results start inline and by address, in how many columns.

    `hooks` says what stands in for the selectors and expressions of the scripts.
    """

    year: Vintage
    columns: int
    inline: int
    plain: int
    hooks: Mapping[str, str]


LAYOUTS: Mapping[Vintage, Layout] = {
    "2026": Layout("2026", columns=6, inline=23, plain=37, hooks={}),
    "2024": Layout("2024", columns=1, inline=12, plain=19, hooks={_COLUMN: ".wIjY0d"}),
    "2022": Layout(
        "2022",
        columns=1,
        inline=20,
        plain=4,
        hooks={
            _GRID: "#islrg",
            _COLUMN: ".islrc",
            _MORE: "input.mye4qd",
            _AGAIN: ".sGx53d",
            "img[data-deferred]": "img[data-src]",
            "google.ldi[img.id]": "img.dataset.src",
        },
    ),
}


def is_bare(mix: Mix) -> bool:
    """Say whether results carry no attribute that names them."""
    return "no-attributes" in mix or "imgres-only" in mix


def item_template(mix: Mix) -> str:
    """Return the name of the template of one result."""
    return f"vintages/item_{'imgres' if 'imgres-only' in mix else mix.vintage}.html"


def hooks(mix: Mix, names: Names, js: Names) -> Mapping[str, str]:
    """Return what stands in for the selectors of the scripts on this page load."""
    found = dict(LAYOUTS[mix.vintage].hooks)
    if "renamed" in mix:
        found |= {_MORE: f"[jsname={js['more']}]", _AGAIN: f"[jsname={js['again']}]"}
    if is_bare(mix):
        found |= {_GRID: f".{names['grid']}", _COLUMN: f".{names['column']}"}
    return found


def extra_scripts(mix: Mix) -> tuple[str, ...]:
    """Return the names of the scripts that follow page.js."""
    virtual = ("vintages/virtualised.js",) if "virtualised" in mix else ()
    hover = ("vintages/hover.js",) if mix.vintage == "2024" else ()
    return virtual + hover


def exposed_id(mix: Mix, docid: str, thumb_id: str) -> str | None:
    """Return the id under which the page shows a result; None when it shows none."""
    if "no-attributes" in mix:
        return None
    return thumb_id if mix.vintage == "2022" else docid


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
    "decoy",
)
_POLITE = Mix()


@dataclass(frozen=True)
class View:
    """What one page load shares with its later batches: its id and where thumbnails live."""

    eid: str
    thumbs: str
    mix: Mix = _POLITE

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Return a random class name per role, the same for the whole page load."""
        rng = seeded(self.eid)
        return {role: _token(rng) for role in _ROLES}

    @cached_property
    def js(self) -> Mapping[str, str]:
        """Return the jsname of each part: the known ones, or random ones."""
        rng = seeded("js", self.eid)
        return {part: _token(rng) for part in JS_NAMES} if "renamed" in self.mix else JS_NAMES

    @cached_property
    def texts(self) -> Texts:
        """Return the words of the page."""
        if "japanese" in self.mix:
            return TEXTS["ja"]
        return TEXTS[seeded("lang", self.eid).choice(FOREIGN) if "renamed" in self.mix else "en"]

    @property
    def layout(self) -> Layout:
        """Return the page of its year."""
        return LAYOUTS[self.mix.vintage]

    def image_id(self, rank: int) -> str:
        """Return the id of a thumbnail's element."""
        return f"dimg_{self.eid}_{rank}"

    def thumb_url(self, result: Result) -> str:
        """Return the address of a thumbnail."""
        return thumb_url(self.thumbs, result)


def thumb_url(thumbs: str, result: Result) -> str:
    """Return the address of a thumbnail on an origin such as `http://127.0.0.1:8100`."""
    return f"{thumbs}/images?q=tbn:{result.thumb_id}&s=10"


def _token(rng: Random) -> str:
    letters = rng.choices(string.ascii_letters, k=1) + rng.choices(
        string.ascii_letters + string.digits, k=5
    )
    return "".join(letters)


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
