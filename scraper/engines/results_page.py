"""Describe a results page as data: its address, how its items are found, what its controls are."""

from dataclasses import dataclass
from urllib.parse import quote_plus


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to find result items: the innermost elements that match `item`."""

    name: str
    item: str
    id_attribute: str
    seen: str


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """One engine whose results are read in a browser."""

    name: str
    template: str
    terms: str
    strategies: tuple[Strategy, ...]
    more_controls: tuple[str, ...]
    end_texts: tuple[str, ...]

    def address(self, query: str, template: str | None = None) -> str:
        """Return the address of a query's results."""
        return (template or self.template).replace("{query}", quote_plus(query))
