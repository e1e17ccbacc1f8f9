"""Find pictures that are copies of each other, and keep the best of them."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from curate.alignment import WHOLE, align, has_wider_border, is_frame
from curate.features import Features
from curate.hashing import NO_HASH, VIEWS
from curate.neighbours import cross_pairs, pairs_within
from pipeline.rows import KeptPicture

SAME_PIXELS_WITHIN = 2

Kind = Literal["pixels", "whole", "mirrored", "crop", "border"]


class Link(NamedTuple):
    """Two pictures that look alike, `distance` bits apart.

    `duplicate` means copies of each other; without it they are only near enough to leak. Of a
    crop or a bordered copy `first` is the lesser picture: the cut one, the one with the border.
    """

    first: str
    second: str
    distance: int
    kind: Kind
    duplicate: bool

    @property
    def directed(self) -> bool:
        """Say whether `first` yields to `second`, whatever their sizes."""
        return self.kind in {"crop", "border"}

    @property
    def pair(self) -> tuple[str, str]:
        """Return both pictures, sorted."""
        return (self.first, self.second) if self.first < self.second else (self.second, self.first)

    def other(self, sha256: str) -> str:
        """Return the other end."""
        return self.second if sha256 == self.first else self.first


def find_links(
    pictures: Iterable[str], features: Features, *, radius: int, leak_radius: int, views: bool
) -> list[Link]:
    """Return one link per pair of pictures that look alike, the strongest there is, sorted.

    Whole pictures are copies within `radius`; mirrored and, with `views`, cropped ones when their
    aligned thumbnails agree too. Whole and mirrored pictures within `leak_radius` are linked
    without being copies.
    """
    names = sorted(s for s in pictures if features.whole[s] != NO_HASH)
    best: dict[tuple[str, str], Link] = {}
    for link in _whole_links(names, features, radius, leak_radius):
        best[link.pair] = link
    for link in _mirrored_links(names, features, radius, leak_radius, views=views):
        pair = link.pair
        if pair not in best or (link.duplicate and not best[pair].duplicate):
            best[pair] = link
    if views:
        copies = {pair for pair, link in best.items() if link.duplicate}
        best |= _view_links(names, features, radius, copies)
    return sorted(best.values())


def _whole_links(
    names: list[str], features: Features, radius: int, leak_radius: int
) -> Iterator[Link]:
    hashes = np.array([features.whole[s] for s in names], np.uint64)
    for i, j, d in zip(*pairs_within(hashes, leak_radius), strict=True):
        link = Link(names[i], names[j], int(d), "whole", bool(d <= radius))
        yield _by_border(link, features) if link.duplicate else link


def _by_border(link: Link, features: Features) -> Link:
    """Let the copy with a border yield to the one without."""
    first, second = features.thumbs[link.first], features.thumbs[link.second]
    if has_wider_border(first, second):
        return link._replace(kind="border")
    if has_wider_border(second, first):
        return link._replace(first=link.second, second=link.first, kind="border")
    return link


def _mirrored_links(
    names: list[str], features: Features, radius: int, leak_radius: int, *, views: bool
) -> Iterator[Link]:
    whole = np.array([features.whole[s] for s in names], np.uint64)
    mirrored = np.array([features.mirrored[s] for s in names], np.uint64)
    closest: dict[tuple[int, int], int] = {}
    for i, j, d in zip(*cross_pairs(whole, mirrored, leak_radius), strict=True):
        pair = (min(i, j), max(i, j))
        if i != j:
            closest[pair] = min(int(d), closest.get(pair, 64))
    for (i, j), d in closest.items():
        first, second = names[i], names[j]
        flipped = features.thumbs[second][:, ::-1]
        same = views and d <= radius and align(features.thumbs[first], flipped, WHOLE).is_copy
        yield Link(first, second, d, "mirrored", same)


def _view_links(
    names: list[str], features: Features, radius: int, known: set[tuple[str, str]]
) -> dict[tuple[str, str], Link]:
    """Return a verified link per pair whose one picture looks like a view of the other."""
    found: dict[tuple[str, str], tuple[float, Link]] = {}
    for (part, whole, flipped), (d, view) in _view_candidates(names, features, radius).items():
        pair = (min(part, whole), max(part, whole))
        if pair in known:
            continue
        thumb = features.thumbs[part][:, ::-1] if flipped else features.thumbs[part]
        found_at = align(thumb, features.thumbs[whole], VIEWS[view])
        if not found_at.is_copy or (pair in found and found[pair][0] >= found_at.luma):
            continue
        link = Link(part, whole, d, "crop", duplicate=True)
        if is_frame(features.thumbs[whole], found_at.box):
            link = Link(whole, part, d, "border", duplicate=True)
        found[pair] = (found_at.luma, link)
    return {pair: link for pair, (_, link) in found.items()}


def _view_candidates(
    names: list[str], features: Features, radius: int
) -> dict[tuple[str, str, bool], tuple[int, int]]:
    """Return (part, whole, mirrored) -> (distance, view) of the view that comes nearest."""
    views = np.array([features.views[s] for s in names], np.uint64).reshape(-1)
    cut = np.flatnonzero(views != NO_HASH)
    nearest: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for flipped, source in ((False, features.whole), (True, features.mirrored)):
        queries = np.array([source[s] for s in names], np.uint64)
        for i, k, d in zip(*cross_pairs(queries, views[cut], radius), strict=True):
            j, view = divmod(int(cut[k]), len(VIEWS))
            if i == j:
                continue
            key = (names[i], names[j], flipped)
            nearest[key] = min(nearest.get(key, (64, 0)), (int(d), view))
    return nearest


def may_share_pixels(
    pictures: Iterable[KeptPicture], features: Features, links: Iterable[Link]
) -> set[str]:
    """Return the pictures whose pixels are worth comparing.

    Those are pictures of one size that are flat or hardly a bit apart (a JPEG decoded at a
    fraction of its size strays by 2).
    """
    sizes = {p.sha256: sorted((p.width, p.height)) for p in pictures}
    flat = {s for s in sizes if features.whole[s] == NO_HASH}
    twins = (x[:2] for x in links if x.kind == "whole" and x.distance <= SAME_PIXELS_WITHIN)
    return flat.union(*(pair for pair in twins if sizes[pair[0]] == sizes[pair[1]]))


def with_pixels(links: Iterable[Link], digests: Mapping[str, bytes]) -> list[Link]:
    """Return the links and, for every pair with equal pixels, a link that says so instead."""
    best = {link.pair: link for link in links}
    sharing: dict[bytes, list[str]] = defaultdict(list)
    for sha256 in sorted(digests):
        sharing[digests[sha256]].append(sha256)
    for group in sharing.values():
        for k, first in enumerate(group):
            for second in group[k + 1 :]:
                best[first, second] = Link(first, second, 0, "pixels", duplicate=True)
    return sorted(best.values())


def ranked(
    pictures: Iterable[KeptPicture], features: Features, kept_by_hand: set[str]
) -> list[str]:
    """Return pictures best first: chosen by a person, then pixels x sharpness, bytes, SHA-256."""

    def badness(picture: KeptPicture) -> tuple[bool, float, int, str]:
        detail = picture.width * picture.height * features.scores[picture.sha256].sharpness
        return picture.sha256 not in kept_by_hand, -detail, -picture.bytes, picture.sha256

    return [picture.sha256 for picture in sorted(pictures, key=badness)]


def keep_best(order: Sequence[str], links: Iterable[Link]) -> dict[str, Link]:
    """Return each dropped picture with the link to the kept one that it is a copy of.

    Best first, a picture is kept and its direct neighbours are dropped: never the neighbours of a
    dropped one. A crop waits until the pictures it is cut from are decided. The result does not
    depend on the order of `links`.
    """
    place = {sha256: k for k, sha256 in enumerate(order)}
    near: dict[str, list[Link]] = defaultdict(list)
    waiting = dict.fromkeys(order, 0)
    for link in sorted(links):
        if link.first in place and link.second in place:
            near[link.first].append(link)
            near[link.second].append(link)
            waiting[link.first] += link.directed
    ready = [place[s] for s in order if not waiting[s]]
    undecided = dict.fromkeys(order)
    dropped: dict[str, Link] = {}
    while undecided:
        # Crops of each other in a circle: the best of them goes first.
        best = order[heapq.heappop(ready)] if ready else next(iter(undecided))
        if best not in undecided:
            continue
        decided = {best} | {x.other(best) for x in near[best] if x.other(best) in undecided}
        dropped |= {x.other(best): x for x in near[best] if x.other(best) in decided}
        for sha256 in sorted(decided):
            del undecided[sha256]
            for link in near[sha256]:
                if link.directed and link.second == sha256:
                    waiting[link.first] -= 1
                    if not waiting[link.first]:
                        heapq.heappush(ready, place[link.first])
    return dropped
