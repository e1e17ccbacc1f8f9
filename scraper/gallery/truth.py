"""Record what a class's pages truly hold and can show, so that yield and precision can be counted."""

import hashlib
from collections.abc import Sequence

from scraper.gallery.behaviours import Mix
from scraper.gallery.catalogue import Result
from scraper.gallery.faults import Previews, verdict
from scraper.gallery.page import exposed_id, thumb_url
from scraper.gallery.texts import shown_title

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


Record = dict[str, str | None]


def records(
    results: Sequence[Result], previews: Previews, mix: Mix, *, batch: int, thumbs: str
) -> list[Record]:
    """Return a record of every result that a visitor can get to see, in rank order.

    Keys: docid, thumb_id, id (the one of the two that the page shows; None when it shows none),
    url (of the thumbnail), page, title, sha256 (of the bytes), kind, and of: the docid of the
    original that it is a copy of. status and reason are what the manifest should say; of results
    with the same bytes the one read first is `kept`, here the first in rank.
    """
    held: set[bytes] = set()
    return [
        _record(result, previews, mix, held, thumbs) for result in reachable(results, mix, batch)
    ]


def _record(result: Result, previews: Previews, mix: Mix, held: set[bytes], thumbs: str) -> Record:
    preview = previews.of(result)
    status, reason = verdict(preview, held)
    lang = "ja" if "japanese" in mix else "en"
    return {
        "docid": result.docid,
        "thumb_id": result.thumb_id,
        "id": exposed_id(mix, result.docid, result.thumb_id),
        "url": thumb_url(thumbs, result),
        "page": result.page,
        "title": shown_title(result.title, lang, result.position),
        "sha256": hashlib.sha256(preview.data).hexdigest(),
        "kind": result.kind,
        "of": result.of,
        "status": status,
        "reason": reason,
    }
