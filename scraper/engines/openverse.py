"""Read Openverse, the search engine for openly licensed works, through its public API.

Names as its API documentation (https://api.openverse.org/v1/) has them.
"""

from scraper.engines.api import ApiEngine, Pages
from scraper.engines.engine import Option

# Without a key: 20 results to a page, and no more than 240 of one query.
_PAGE, _MOST = 20, 240

OPENVERSE = ApiEngine(
    name="openverse",
    template=f"https://api.openverse.org/v1/images/?q={{query}}&page_size={_PAGE}",
    terms="Openverse's terms forbid to get round its limits; each work has its own licence:"
    " https://docs.openverse.org/terms_of_service.html",
    options={
        "size": Option(
            parameter="size", values={size: size for size in ("large", "medium", "small")}
        ),
        "type": Option(parameter="category", values={"photo": "photograph"}),
        "licence": Option(
            parameter="license",
            values={
                "creative-commons": "by,by-sa,by-nd,by-nc,by-nc-sa,by-nc-nd,cc0",
                "commercial": "by,by-sa,by-nd,cc0,pdm",
                "public-domain": "cc0,pdm",
            },
        ),
        "safe": Option(parameter="mature", values={"on": "false", "off": "true"}),
    },
    variants=(
        {"size": "large"},
        {"size": "medium"},
        {"size": "small"},
        {"licence": "public-domain"},
        {"licence": "commercial"},
        {"type": "photo"},
    ),
    results="results",
    paging=Pages(parameter="page", number="page", count="page_count", most=_MOST // _PAGE),
    fields={
        "result_id": ("id",),
        "page_url": ("foreign_landing_url",),
        "title": ("title",),
        "site": ("source",),
        "src": ("thumbnail",),
        "licence": ("license", "license_version"),
        "licence_url": ("license_url",),
        "creator": ("creator",),
        "attribution": ("attribution",),
    },
    spelled={
        "by": "CC BY",
        "by-sa": "CC BY-SA",
        "by-nd": "CC BY-ND",
        "by-nc": "CC BY-NC",
        "by-nc-sa": "CC BY-NC-SA",
        "by-nc-nd": "CC BY-NC-ND",
        "cc0": "CC0",
        "pdm": "Public Domain Mark",
        "sampling+": "CC Sampling+",
        "nc-sampling+": "CC NC-Sampling+",
    },
    previews_per_minute=150,
)
