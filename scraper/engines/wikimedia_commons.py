"""Read Wikimedia Commons through the API of its wiki.

Names as the documentation of MediaWiki's API (https://www.mediawiki.org/wiki/API:Search,
API:Imageinfo) and of its search (https://www.mediawiki.org/wiki/Help:CirrusSearch) has them.
"""

from scraper.engines.api import ApiEngine, Token
from scraper.engines.engine import Option

# 330 is one of the widths that Wikimedia serves; others are slowed down or refused.
_WIDTH = 330
_API = "https://commons.wikimedia.org/w/api.php"

WIKIMEDIA_COMMONS = ApiEngine(
    name="wikimedia-commons",
    template=f"{_API}?action=query&format=json&formatversion=2&maxlag=5"
    "&generator=search&gsrsearch={query}+filetype:bitmap&gsrnamespace=6&gsrlimit=50"
    f"&prop=imageinfo&iiprop=url%7Cmime%7Cextmetadata&iiurlwidth={_WIDTH}"
    "&iiextmetadatafilter=Artist%7CLicenseShortName%7CLicenseUrl%7CAttribution",
    terms="Wikimedia asks for one request at a time and a contact; each file has its own licence:"
    " https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use",
    options={
        # As the site's own search page has them: the square root of width x height.
        "size": Option(
            parameter="",
            values={
                "large": "fileres:>1000",
                "medium": "fileres:500,1000",
                "small": "fileres:<500",
            },
        ),
        # The wiki wants photographs as JPEG and drawings as other formats.
        "type": Option(parameter="", values={"photo": "filemime:image/jpeg"}),
        # It takes only works that anybody may use for anything.
        "licence": Option(
            parameter="", values={"commercial": "", "public-domain": "haslicense:unrestricted"}
        ),
    },
    variants=({"size": "large"}, {"size": "medium"}, {"size": "small"}),
    results="query.pages",
    empty_sign="batchcomplete",
    order="index",
    paging=Token(at="continue"),
    error_code="error.code",
    busy_codes=frozenset({"maxlag", "ratelimited", "readonly"}),
    fields={
        "result_id": ("pageid",),
        "page_url": ("imageinfo.0.descriptionurl",),
        "title": ("title",),
        "src": ("imageinfo.0.thumburl",),
        "licence": ("imageinfo.0.extmetadata.LicenseShortName.value",),
        "licence_url": ("imageinfo.0.extmetadata.LicenseUrl.value",),
        "creator": ("imageinfo.0.extmetadata.Artist.value",),
        "attribution": ("imageinfo.0.extmetadata.Attribution.value",),
    },
    html=frozenset({"licence", "creator", "attribution"}),
)
