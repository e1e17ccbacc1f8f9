"""Describe the results pages of three years: templates, how previews start, what scripts look for."""

from collections.abc import Mapping
from dataclasses import dataclass

from scraper.gallery.behaviours import Mix, Vintage

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
