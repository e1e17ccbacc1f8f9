"""Lay out what the pages of a query show, in order, and what of it a visitor can get to see."""

from collections.abc import Sequence

from scraper.gallery.behaviours import Mix
from scraper.gallery.catalogue import Result

FEW = 37
REPEAT_EVERY = 9


def dealt(results: Sequence[Result], mix: Mix, batch: int) -> tuple[Result, ...]:
    """Return the results in the order of the page; later batches may repeat earlier ones."""
    if "no-results" in mix or "soft-block" in mix:
        return ()
    shown = list(results[:FEW] if "few" in mix else results)
    if "duplicates-across-batches" not in mix:
        return tuple(shown)
    deck = shown[:batch]
    for number, result in enumerate(shown[batch:]):
        if number % REPEAT_EVERY == 0:
            deck.append(shown[number % batch])
        deck.append(result)
    return tuple(deck)


def hangs(start: int, mix: Mix, batch: int) -> bool:
    """Say whether the batch that starts at this rank from 0 never comes."""
    return "stall" in mix and start >= 2 * batch


def reachable(results: Sequence[Result], mix: Mix, batch: int) -> tuple[Result, ...]:
    """Return each result that a visitor can get to see once, in rank order."""
    deck = dealt(results, mix, batch)
    if "stall" in mix:
        deck = deck[: 2 * batch]
    return tuple(dict.fromkeys(deck))
