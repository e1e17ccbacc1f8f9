"""Describe a results page as data: how its items are found, what its controls are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from scraper.engines.engine import Engine

Kind = Literal["attributes", "record", "structure", "links"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way to find result items, and when pages of that kind were seen.

    `attributes`: the innermost elements that match `item`; `id_attribute` holds the result id.
    `record`: the same, and `id_attribute` holds a JSON record; `keys` names what is read from it,
    for each of `id`, `page`, `title` and `thumb` the first key that has a text.
    `structure`: inside `item`, the smallest elements with one picture and one outbound link, at
    least three alike. `links`: the links that match `item` and hold a picture.
    A last resort is taken only when the others find far fewer valid thumbnails.
    """

    name: str
    seen: str
    item: str
    kind: Kind = "attributes"
    id_attribute: str = ""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last_resort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPage(Engine):
    """One engine whose results are read in a browser.

    `end_attributes` hold the page's own words for its end, in its own language. A control of
    `refusal_controls`, or one that says one of `refusal_texts`, refuses consent.
    """

    strategies: tuple[Strategy, ...]
    more_controls: tuple[str, ...] = ()
    end_texts: tuple[str, ...] = ()
    end_attributes: tuple[str, ...] = ()
    refusal_controls: tuple[str, ...] = ()
    refusal_texts: tuple[str, ...] = ()


# Structure outlives attributes as these outlive class names: any page of pictures with links.
STRUCTURE = Strategy(
    name="structure alone",
    seen="any",
    kind="structure",
    item="[role=main], main, #rso, #islrg, #search",
    last_resort=True,
)

# "Reject all" as consent pages write it, for dialogs that carry no better sign.
REFUSAL_TEXTS = (
    "Reject all", "Alle ablehnen", "Tout refuser", "Rechazar todo", "Rifiuta tutto",
    "Rejeitar tudo", "Recusar tudo", "Alles afwijzen", "Odrzuć wszystko", "Odmítnout vše",
    "Odmietnuť všetko", "Afvis alle", "Avvisa alla", "Avvis alle", "Hylkää kaikki",
    "Az összes elutasítása", "Respingeți tot", "Отклонить все", "Відхилити все",
    "Отхвърляне на всички", "Απόρριψη όλων", "Tümünü reddet", "Odbij sve", "Zavrni vse",
    "Noraidīt visu", "Atmesti viską", "Keeldu kõigist", "すべて拒否", "모두 거부", "全部拒绝",
    "全部拒絕", "Tolak semua", "Từ chối tất cả", "ปฏิเสธทั้งหมด", "सभी अस्वीकार करें", "رفض الكل",
    "דחיית הכול",
)  # fmt: skip
