"""Say what kind of page was loaded: results, consent, blocked, nothing found, layout unknown.

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
    """What a loaded page says about itself.

    `status` is its HTTP status when known, `passed` every URL on the way to it; `empty_main` says
    that it has a place for results and not a word in it.
    """

    url: str
    title: str
    items: int
    captcha: bool
    consent: bool
    javascript_wall: bool
    big_pictures: int
    search_box: bool
    empty_main: bool = False
    status: int | None = None
    passed: tuple[str, ...] = ()


def page_state(facts: PageFacts) -> PageState:
    """Classify a page by its facts."""
    refused = facts.captcha or facts.status in REFUSALS
    if refused or any(is_sorry(url) for url in (facts.url, *facts.passed)):
        return "blocked"
    if facts.items > 0:
        return "results"
    if facts.consent or (urlsplit(facts.url).hostname or "").startswith("consent."):
        return "consent"
    if facts.javascript_wall or facts.status == UNAVAILABLE:
        return "blocked"
    return _without_results(facts)


def _without_results(facts: PageFacts) -> PageState:
    if facts.big_pictures >= MANY_PICTURES:
        return "layout unknown"
    if facts.empty_main:
        return "blocked"
    return "nothing found" if facts.search_box else "layout unknown"


def is_sorry(url: str) -> bool:
    """Say whether a URL is that of a block page."""
    parts = urlsplit(url)
    return (parts.hostname or "").startswith("sorry.") or parts.path.startswith("/sorry")
