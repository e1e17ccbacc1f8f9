"""Write the results page as Google Images wrote it in three years."""

import base64
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from sceneset.images import PictureError, read_header
from scraper.gallery.catalogue import PLACEHOLDER_GIF, ServedResult
from scraper.gallery.drawing import decoys
from scraper.gallery.faults import Previews, Start, media_type
from scraper.gallery.scenes import seeded
from scraper.gallery.settings import Mix, Vintage

if TYPE_CHECKING:
    from jinja2 import Environment


_FOLDER = Path(__file__).parent
# The words of the pages by language; `nothing` stands before and after the query.
TEXTS: Mapping[str, Mapping[str, Any]] = json.loads(
    (_FOLDER / "vintages" / "texts.json").read_text(encoding="utf-8")
)
OTHER_LANGUAGES = ("ja", "de", "cs")
_EMOJI = ("🏖️", "📷", "✨", "🐈", "🌸", "👩‍👩‍👧", "🇯🇵", "🎉")


def shown_title(title: str, lang: str, rank: int) -> str:
    """Return a result's title as the page shows it: with emoji on a Japanese page."""
    return f"{_EMOJI[rank % len(_EMOJI)]} {title} の画像" if lang == "ja" else title


JS_NAMES = {"item": "dTDiAc", "inner": "qQjpJ", "more": "oHxHid", "again": "a79Lwf"}
_GRID, _COLUMN = "[data-id=mosaic]", "[data-l]"
_MORE, _AGAIN = "[jsname=oHxHid]", "[jsname=a79Lwf]"


@dataclass(frozen=True, slots=True)
class Layout:
    """One year's page: how many results start inline and by URL, in how many columns.

    `selectors` says what stands in for the selectors and expressions of the scripts.
    """

    columns: int
    inline: int
    plain: int
    selectors: Mapping[str, str]


LAYOUTS: Mapping[Vintage, Layout] = {
    "2026": Layout(columns=6, inline=23, plain=37, selectors={}),
    "2024": Layout(columns=1, inline=12, plain=19, selectors={_COLUMN: ".wIjY0d"}),
    "2022": Layout(
        columns=1,
        inline=20,
        plain=4,
        selectors={
            _GRID: "#islrg",
            _COLUMN: ".islrc",
            _MORE: "input.mye4qd",
            _AGAIN: ".sGx53d",
            "img[data-deferred]": "img[data-src]",
            "google.ldi[img.id]": "img.dataset.src",
        },
    ),
}


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


@dataclass(frozen=True)
class View:
    """What one page load shares with its later batches: its id, where thumbnails live, their bytes."""

    eid: str
    thumbs: str
    previews: Previews

    @property
    def mix(self) -> Mix:
        """Return how the gallery behaves."""
        return self.previews.mix

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
    def texts(self) -> Mapping[str, Any]:
        """Return the words of the page."""
        if "japanese" in self.mix:
            return TEXTS["ja"]
        other = seeded("lang", self.eid).choice(OTHER_LANGUAGES)
        return TEXTS[other if "renamed" in self.mix else "en"]

    @property
    def layout(self) -> Layout:
        """Return the page of its year."""
        return LAYOUTS[self.mix.vintage]

    @property
    def is_bare(self) -> bool:
        """Say whether results carry no attribute that names them."""
        return not self.mix.names.isdisjoint({"no-attributes", "imgres-only"})


def thumb_url(thumbs: str, result: ServedResult) -> str:
    """Return the URL of a thumbnail on an origin such as `http://127.0.0.1:8100`."""
    return f"{thumbs}/images?q=tbn:{result.thumb_id}&s=10"


def _token(rng: Random) -> str:
    letters = rng.choices(string.ascii_letters, k=1) + rng.choices(
        string.ascii_letters + string.digits, k=5
    )
    return "".join(letters)


CHIPS = ("at night", "wallpaper", "old", "from above", "colourful")
PLACEHOLDER = "data:image/gif;base64," + base64.b64encode(PLACEHOLDER_GIF).decode()
_INLINED = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")


@dataclass(frozen=True, slots=True)
class _Shown:
    """One thumbnail as the page shows it: its element's id, URL, HTML, bytes and start."""

    image: str
    url: str
    html: str
    data: bytes
    start: Start


def results_page(
    query: str,
    results: Sequence[ServedResult],
    total: int,
    view: View,
    options: Mapping[str, int],
) -> str:
    """Return the page with a query's first results; `options` are `automatic` and `delay_ms`."""
    shown = [_show(rank, result, view) for rank, result in enumerate(results)]
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
        end_text=view.texts["end"],
        script=_script(view),
        ldi=_script_map({one.image: one.url for one in later}),
        pim=_script_map({one.image: one.url for one in early}),
        inline=[(one.image, _script_string(one.data)) for one in early],
        **_shared(view),
        **options,
    )


def later_batch(start: int, results: Sequence[ServedResult], view: View) -> dict[str, Any]:
    """Return a further batch as the page's script takes it: items as HTML, all of them deferred.

    `start` is the first one's rank from 0.
    """
    shown = [
        _show(rank, result, view, is_later=start > 0) for rank, result in enumerate(results, start)
    ]
    items = [one.html for one in shown]
    if "masonry" in view.mix:  # each item stays in its own column
        for first in range(view.layout.columns):
            items[first :: view.layout.columns] = items[first :: view.layout.columns][::-1]
    return {"items": items, "ldi": {one.image: one.url for one in shown if one.start == "deferred"}}


def start_page(names: Sequence[str], view: View) -> str:
    """Return the page at `/`: a search box and the classes there are."""
    return render("start.html", names=names, name=view.names, thumbs=view.thumbs)


def empty_page(query: str, view: View) -> str:
    """Return the honest page of a query without results."""
    return render("vintages/page_2026.html", query=query, columns=None, **_shared(view))


def _show(rank: int, result: ServedResult, view: View, *, is_later: bool = False) -> _Shown:
    data, url = view.previews.read(result), thumb_url(view.thumbs, result)
    earliest = "deferred" if is_later else view.previews.earliest(result)
    start = _start(rank, data, earliest, view.layout)
    image = f"dimg_{view.eid}_{rank}"
    try:
        header = read_header(data)
        width, height = header.width, header.height
    except PictureError:
        width, height = 4, 3
    kind = "imgres" if "imgres-only" in view.mix else view.mix.vintage
    html = render(
        f"vintages/item_{kind}.html",
        result=result,
        title=shown_title(result.title, view.texts["lang"], result.position),
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
        "bare": view.is_bare,
        "decoys": decoys(view.thumbs),
    }


def _start(rank: int, data: bytes, earliest: Start, layout: Layout) -> Start:
    """Say how a thumbnail of the first batch starts: as on the page of its year, by rank."""
    if rank < layout.inline and data.startswith(_INLINED) and earliest == "inline":
        return "inline"
    return "plain" if rank < layout.inline + layout.plain and earliest != "deferred" else "deferred"


def _script_string(data: bytes) -> str:
    body = base64.b64encode(data).decode().replace("=", r"\x3d")
    return f"data:{media_type(data)};base64,{body}"


def _script_map(urls: Mapping[str, str]) -> str:
    return json.dumps(urls).replace("=", r"\u003d").replace("&", r"\u0026")


def _script(view: View) -> str:
    """Return the page's script with the selectors of this page load."""
    names = ["page.js"]
    if "virtualised" in view.mix:
        names.append("vintages/virtualised.js")
    if view.mix.vintage == "2024":
        names.append("vintages/hover.js")
    selectors = dict(view.layout.selectors)
    if "renamed" in view.mix:
        selectors[_MORE] = f"[jsname={view.js['more']}]"
        selectors[_AGAIN] = f"[jsname={view.js['again']}]"
    if view.is_bare:
        selectors[_GRID] = f".{view.names['grid']}"
        selectors[_COLUMN] = f".{view.names['column']}"
    script = "\n".join(map(_text, names))
    for known, selector in selectors.items():
        script = script.replace(known, selector)
    return script


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
