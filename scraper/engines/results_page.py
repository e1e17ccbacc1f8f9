"""Describe a results page as data: how its items are found, what its controls are."""

from dataclasses import dataclass

from scraper.engines.engine import Engine


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to find result items: the innermost elements that match `item`."""

    name: str
    item: str
    id_attribute: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPage(Engine):
    """One engine whose results are read in a browser."""

    strategies: tuple[Strategy, ...]
    more_controls: tuple[str, ...]
    end_texts: tuple[str, ...]
