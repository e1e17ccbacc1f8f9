"""Rank copies and keep the best of them: nothing drawn over it, true detail, fewer artefacts."""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from math import log
from types import MappingProxyType

from curate.duplicates.links import Link
from curate.features.fidelity import Fidelity, is_enlarged
from curate.features.overlay import is_overlaid
from sceneset.manifest.rows import KeptPicture

# Steps within which two copies count as alike, so that noise decides nothing. A margin of an
# original is rougher after JPEG: only a wide border leads, a narrow one decides between equals.
_WIDE_BORDER_STEP = 0.1
_BORDER_STEP = 0.02
_BLOCKING_STEPS = (1.2, 1.6)
_DETAIL_STEP = 1.1
_NOT_MEASURED: Mapping[str, Fidelity] = MappingProxyType({})


def find_enlarged(
    copies: Iterable[tuple[str, str]], fidelity: Mapping[str, Fidelity]
) -> frozenset[str]:
    """Return the pictures that hold no more detail than a smaller one of their copies."""
    pairs = (sorted(pair, key=lambda s: (fidelity[s].pixels, s)) for pair in copies)
    return frozenset(
        larger for smaller, larger in pairs if is_enlarged(fidelity[larger], fidelity[smaller])
    )


def find_turned(
    copies: Iterable[Link], fidelity: Mapping[str, Fidelity], represented: Mapping[str, int]
) -> frozenset[str]:
    """Return the pictures that were turned, where it can be told which one of a pair was.

    The upright one has an EXIF orientation, which a phone writes and an editor that turns px takes
    out; else more copies as it stands, those counted that it has `represented`.
    """
    links = list(copies)
    upright = (link[:2] for link in links if link.kind != "turned")
    standing = Counter(represented) + Counter(chain.from_iterable(upright))

    def votes(sha256: str) -> tuple[bool, int]:
        return fidelity[sha256].has_orientation, standing[sha256]

    ends = (sorted(link[:2], key=votes) for link in links if link.kind == "turned")
    return frozenset(first for first, second in ends if votes(first) != votes(second))


def ranked(
    pictures: Iterable[KeptPicture],
    fidelity: Mapping[str, Fidelity],
    *,
    by_hand: Collection[str] = (),
    enlarged: Collection[str] = (),
    turned: Collection[str] = (),
) -> list[str]:
    """Return the SHA-256 of pictures, best first; what is drawn over them is not asked here.

    What a person kept leads; then upright before turned, native before stretched or upscaled,
    without a wide border before framed, fewer JPEG blocks, pixels x sharpness of the scene, a
    narrower border, bytes, SHA-256.
    """

    def badness(picture: KeptPicture) -> tuple[bool, bool, bool, tuple[int, ...], int, str]:
        sha256 = picture.sha256
        flaws = _flaws(fidelity[sha256]) if sha256 in fidelity else ()
        lesser = sha256 in turned, sha256 in enlarged
        return sha256 not in by_hand, *lesser, flaws, -picture.bytes, sha256

    return [picture.sha256 for picture in sorted(pictures, key=badness)]


def _flaws(measure: Fidelity) -> tuple[int, ...]:
    detail = max(measure.detail, 1e-9)
    return (
        round(measure.border / _WIDE_BORDER_STEP),
        sum(measure.blocking >= step for step in _BLOCKING_STEPS),
        -round(log(detail, _DETAIL_STEP)),
        round(measure.border / _BORDER_STEP),
    )


def without_overlay(
    best: str,
    links_of: Callable[[str], Iterable[Link]],
    fidelity: Mapping[str, Fidelity],
    *,
    by_hand: Collection[str] = (),
) -> str:
    """Return the picture, or the first of its copies that shows something drawn over it, and so on.

    `links_of` returns a picture's links, the best copy's first: at most as many comparisons as it
    has, and those of each picture gone over to. What a person kept `by_hand` stays.
    """
    seen: set[str] = set()
    while best not in seen and best not in by_hand:
        seen.add(best)
        shown = (link.other(best) for link in links_of(best) if _is_overlaid(best, link, fidelity))
        best = next((other for other in shown if other not in seen), best)
    return best


def _is_overlaid(sha256: str, link: Link, fidelity: Mapping[str, Fidelity]) -> bool:
    """Say whether a picture has something drawn over it that the other end of a link has not."""
    comparable = link.is_comparable and not link.directed
    if not comparable or not fidelity.keys() >= set(link.pair):
        return False
    own, others = fidelity[sha256].luma, fidelity[link.other(sha256)].luma
    return is_overlaid(own, others[:, ::-1] if link.kind == "mirrored" else others)


def keep_best(
    order: Sequence[str],
    links: Iterable[Link],
    *,
    by_hand: Collection[str] = (),
    fidelity: Mapping[str, Fidelity] = _NOT_MEASURED,
) -> dict[str, Link]:
    """Return each dropped picture with the link to the kept one that it is a copy of.

    Best first, a picture is kept and its direct neighbours are dropped: never the neighbours of a
    dropped one. A copy that has nothing drawn over it goes before one that has. A crop waits until
    the pictures it is cut from are decided. What a person kept `by_hand` never waits and is never
    dropped. The result does not depend on the order of `links`.
    """
    place = {sha256: k for k, sha256 in enumerate(order)}
    near = _links_of_each(place, links)
    waiting = {s: sum(link.directed and link.first == s for link in near[s]) for s in order}
    waiting |= dict.fromkeys(by_hand, 0)
    ready = [place[s] for s in order if not waiting[s]]
    undecided = dict.fromkeys(order)
    dropped: dict[str, Link] = {}

    def open_links(sha256: str) -> list[Link]:
        ends = {link.other(sha256): link for link in near[sha256]}
        free = [other for other in ends if other in undecided and not waiting[other]]
        return [ends[other] for other in sorted(free, key=place.__getitem__)]

    while undecided:
        # Crops of each other in a circle: the best of them goes first.
        best = order[heapq.heappop(ready)] if ready else next(iter(undecided))
        if best not in undecided:
            continue
        best = without_overlay(best, open_links, fidelity, by_hand=by_hand)
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


def _links_of_each(pictures: Iterable[str], links: Iterable[Link]) -> dict[str, list[Link]]:
    """Return each picture's links to others of these pictures, in one order whatever they came in."""
    near: dict[str, list[Link]] = {sha256: [] for sha256 in pictures}
    for link in sorted(links):
        if link.first in near and link.second in near:
            near[link.first].append(link)
            near[link.second].append(link)
    return near
