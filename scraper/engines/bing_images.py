"""Read Bing Images: each item is a link whose attribute `m` holds a JSON record."""

from scraper.engines.consent import REFUSAL_TEXTS
from scraper.engines.engine import COLOURS, STRUCTURE, Option, ResultsPage, Strategy


def _filters(values: dict[str, str]) -> Option:
    sent = {value: f"+filterui:{name}" for value, name in values.items()}
    return Option(parameter="qft", values=sent, separator="")


BING_IMAGES = ResultsPage(
    name="bing",
    template="https://www.bing.com/images/search?q={query}&form=HDRSC2&first=1",
    terms="Microsoft's services agreement limits automated access:"
    " https://www.microsoft.com/servicesagreement",
    options={
        "language": Option(parameter="setlang", values={"*": "{}"}),
        "country": Option(parameter="cc", values={"*": "{}"}),
        "size": _filters({size: f"imagesize-{size}" for size in ("large", "medium", "small")}),
        "type": _filters(
            {
                "photo": "photo-photo",
                "face": "face-face",
                "clipart": "photo-clipart",
                "lineart": "photo-linedrawing",
                "animated": "photo-animatedgif",
            }
        ),
        "colour": _filters(
            {
                "colour": "color2-color",
                "gray": "color2-bw",
                "transparent": "photo-transparent",
            }
            | {colour: f"color2-FGcls_{colour.upper()}" for colour in COLOURS}
        ),
        # In minutes.
        "age": _filters(
            {
                "day": "age-lt1440",
                "week": "age-lt10080",
                "month": "age-lt43200",
                "year": "age-lt525600",
            }
        ),
        "licence": _filters(
            {
                "creative-commons": "licenseType-Any",
                "commercial": "license-L2_L3_L4",
                "public-domain": "license-L1",
            }
        ),
        "safe": Option(parameter="adlt", values={"on": "strict", "off": "off"}),
    },
    variants=({"size": "large"}, {"size": "medium"}, {"age": "year"}, {"age": "month"}),
    strategies=(
        Strategy(
            name="record in m",
            seen="2016 to 2026-10",
            kind="record",
            item="a[m]",
            id_attribute="m",
            keys={
                "id": ("mid", "md5", "murl"),
                "page": ("purl",),
                "title": ("t", "desc"),
                "thumb": ("turl",),
            },
        ),
        STRUCTURE,
    ),
    refusal_controls=("#bnp_btn_reject",),
    refusal_texts=REFUSAL_TEXTS,
)
