"""Read Google Images. Class names die every year, attributes live on: only the latter stand here."""

from scraper.engines.consent import REFUSAL_TEXTS
from scraper.engines.engine import COLOURS, STRUCTURE, Option, ResultsPage, Strategy

GOOGLE_IMAGES = ResultsPage(
    name="google",
    template="https://www.google.com/search?q={query}&udm=2&hl=en",
    terms="Google's terms of service limit automated queries: https://policies.google.com/terms",
    options={
        "language": Option(parameter="hl", values={"*": "{}"}),
        "country": Option(parameter="gl", values={"*": "{}"}),
        "size": Option(
            parameter="tbs", values={"large": "isz:l", "medium": "isz:m", "small": "isz:i"}
        ),
        "type": Option(
            parameter="tbs",
            values={
                kind: f"itp:{kind}" for kind in ("photo", "face", "clipart", "lineart", "animated")
            },
        ),
        "colour": Option(
            parameter="tbs",
            values={"colour": "ic:color", "gray": "ic:gray", "transparent": "ic:trans"}
            | {colour: f"ic:specific,isc:{colour}" for colour in COLOURS},
        ),
        "age": Option(
            parameter="tbs",
            values={"day": "qdr:d", "week": "qdr:w", "month": "qdr:m", "year": "qdr:y"},
        ),
        "licence": Option(parameter="tbs", values={"creative-commons": "il:cl"}),
        "safe": Option(parameter="safe", values={"on": "active", "off": "off"}),
    },
    variants=({"size": "large"}, {"size": "medium"}, {"age": "year"}, {"age": "month"}),
    strategies=(
        Strategy(
            name="docid and landing page",
            seen="2024-08 to 2026-07",
            item="[data-docid][data-lpage]",
            id_attribute="data-docid",
        ),
        Strategy(
            name="tbnid",
            seen="2022-05",
            item="[data-ri][data-id][data-tbnid]:not([data-rel])",
            id_attribute="data-tbnid",
        ),
        STRUCTURE,
        Strategy(
            name="imgres links",
            seen="2020 to 2026, pages without scripts",
            kind="links",
            item='a[href*="/imgres?"]',
            last_resort=True,
        ),
    ),
    more_controls=(
        '[jsname="oHxHid"]',
        '[jsname="a79Lwf"]',
        'input[type="button"][value="Show more results"]',
    ),
    end_texts=("Looks like you've reached the end", "The rest of the results might not be"),
    end_attributes=("data-emptymessage", "data-endedmessage"),
    refusal_controls=("#W0wltc",),
    refusal_texts=REFUSAL_TEXTS,
)
