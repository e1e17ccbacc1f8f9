"""State what a search result is to us, whatever engine it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """One result as the page shows it; `src` is a data URI or the thumbnail's address."""

    result_id: str
    page_url: str
    title: str
    site: str
    src: str
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""
