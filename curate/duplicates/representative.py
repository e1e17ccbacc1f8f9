"""Rank copies and keep the best of them: the scene it shows, true detail, fewer artefacts."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import log

from curate.duplicates.links import Link
from curate.features.fidelity import Fidelity, is_enlarged
from sceneset.manifest.rows import KeptPicture

# Steps within which two copies count as alike, so that noise decides nothing. A margin of an
# original is rougher after JPEG: only a wide border leads, a narrow one decides between equals.
_WIDE_BORDER_STEP = 0.1
_BORDER_STEP = 0.02
_BLOCKING_STEPS = (1.2, 1.6)
_DETAIL_STEP = 1.1


def find_enlarged(
    copies: Iterable[tuple[str, str]], fidelity: Mapping[str, Fidelity]
) -> frozenset[str]:
    """Return the pictures that hold no more detail than a smaller one of their copies."""
    pairs = (sorted(pair, key=lambda s: (fidelity[s].pixels, s)) for pair in copies)
    return frozenset(
        larger for smaller, larger in pairs if is_enlarged(fidelity[larger], fidelity[smaller])
    )


def ranked(
    pictures: Iterable[KeptPicture],
    fidelity: Mapping[str, Fidelity],
    *,
    by_hand: Collection[str] = (),
    enlarged: Collection[str] = (),
) -> list[str]:
    """Return the SHA-256 of pictures, best first.

    What a person kept leads; then native before stretched or upscaled, without a wide border
    before framed, fewer JPEG blocks, pixels x sharpness of the scene, a narrower border, bytes,
    SHA-256.
    """

    def badness(picture: KeptPicture) -> tuple[bool, bool, tuple[int, ...], int, str]:
        sha256 = picture.sha256
        flaws = _flaws(fidelity[sha256]) if sha256 in fidelity else ()
        return sha256 not in by_hand, sha256 in enlarged, flaws, -picture.bytes, sha256

    return [picture.sha256 for picture in sorted(pictures, key=badness)]


def _flaws(measure: Fidelity) -> tuple[int, ...]:
    detail = max(measure.detail, 1e-9)
    return (
        round(measure.border / _WIDE_BORDER_STEP),
        sum(measure.blocking >= step for step in _BLOCKING_STEPS),
        -round(log(detail, _DETAIL_STEP)),
        round(measure.border / _BORDER_STEP),
    )


def keep_best(
    order: Sequence[str], links: Iterable[Link], *, by_hand: Collection[str] = ()
) -> dict[str, Link]:
    """Return each dropped picture with the link to the kept one that it is a copy of.

    Best first, a picture is kept and its direct neighbours are dropped: never the neighbours of a
    dropped one. A crop waits until the pictures it is cut from are decided. What a person kept
    `by_hand` never waits and is never dropped. The result does not depend on the order of `links`.
    """
    place = {sha256: k for k, sha256 in enumerate(order)}
    near: dict[str, list[Link]] = defaultdict(list)
    waiting = dict.fromkeys(order, 0)
    for link in sorted(links):
        if link.first in place and link.second in place:
            near[link.first].append(link)
            near[link.second].append(link)
            waiting[link.first] += link.directed and link.first not in by_hand
    ready = [place[s] for s in order if not waiting[s]]
    undecided = dict.fromkeys(order)
    dropped: dict[str, Link] = {}
    while undecided:
        # Crops of each other in a circle: the best of them goes first.
        best = order[heapq.heappop(ready)] if ready else next(iter(undecided))
        if best not in undecided:
            continue
        out = {
            other: link
            for link in near[best]
            if (other := link.other(best)) in undecided and other not in by_hand
        }
        dropped |= out
        for sha256 in sorted({best, *out}):
            del undecided[sha256]
            for link in near[sha256]:
                if link.directed and link.second == sha256 and link.first not in by_hand:
                    waiting[link.first] -= 1
                    if not waiting[link.first]:
                        heapq.heappush(ready, place[link.first])
    return dropped
