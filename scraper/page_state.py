"""Tell results, consent, blocks, honest empty pages and unknown layouts apart.

A count of zero is never "no results" by itself. Signs: pages of 2022 to 2026.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

PageState = Literal["results", "consent", "blocked", "nothing found", "layout unknown"]
REFUSALS = frozenset({403, 429})
UNAVAILABLE = 503
MANY_PICTURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What a loaded page says about itself; `status` is its HTTP status when known."""

    url: str
    title: str
    items: int
    captcha: bool
    consent: bool
    javascript_wall: bool
    big_pictures: int
    search_box: bool
    status: int | None = None


def page_state(facts: PageFacts) -> PageState:
    """Classify a page by its facts."""
    parts = urlsplit(facts.url)
    host = parts.hostname or ""
    if facts.captcha or facts.status in REFUSALS or parts.path.startswith("/sorry"):
        return "blocked"
    if facts.items > 0:
        return "results"
    if facts.consent or host.startswith("consent."):
        return "consent"
    if facts.javascript_wall or facts.status == UNAVAILABLE:
        return "blocked"
    if facts.big_pictures < MANY_PICTURES and facts.search_box:
        return "nothing found"
    return "layout unknown"
