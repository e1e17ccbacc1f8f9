"""Find pictures that are copies of each other, and those near enough to leak."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.duplicates.hamming import Mask, new_cross_pairs, new_pairs_within
from curate.features.alignment import (
    align,
    has_wider_border,
    is_frame,
    same_mirrored,
    same_whole,
)
from curate.features.cache import Features
from curate.features.fidelity import Fidelity
from curate.features.phash import NO_HASH, VIEWS
from sceneset.manifest.rows import KeptPicture

# Raise the number when the same features can lead to other links.
ALGORITHM = "links/1"
_LEAST_BORDER = 0.03
# Boxes are found to 1 % of each side.
_AREA_STEP = 0.04

LinkKind = Literal["pixels", "whole", "mirrored", "crop", "border"]
# A picture of a class: class id and SHA-256.
Key = tuple[int, str]


def key_of(picture: KeptPicture) -> Key:
    """Return class id and SHA-256."""
    return picture.class_id, picture.sha256


class Link(NamedTuple):
    """Two pictures that look alike, `distance` bits apart.

    `duplicate` means copies of each other; without it they are only near enough to leak. Of a
    crop or a bordered copy `first` is the lesser picture: the cut one, the one with the border.
    """

    first: str
    second: str
    distance: int
    kind: LinkKind
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
    pictures: Iterable[str],
    features: Features,
    *,
    radius: int,
    leak_radius: int,
    views: bool,
    compared: Collection[str] = (),
) -> list[Link]:
    """Return one link per pair of pictures that look alike, the strongest there is, sorted.

    Pictures within `radius`, whole or with `views` also mirrored or cropped, are copies when their
    aligned thumbnails agree too. Whole and mirrored pictures within `leak_radius` are linked
    without being copies. Pairs of pictures that were both `compared` before are left out: a link
    depends on its two pictures alone.
    """
    names = sorted(s for s in pictures if features.whole[s] != NO_HASH)
    new = ~np.isin(np.array(names, "U64"), np.array(sorted(compared), "U64"))
    best: dict[tuple[str, str], Link] = {}
    for link in _whole_links(names, new, features, radius, leak_radius):
        best[link.pair] = link
    for link in _mirrored_links(names, new, features, radius, leak_radius, views=views):
        pair = link.pair
        if pair not in best or (link.duplicate and not best[pair].duplicate):
            best[pair] = link
    if views:
        copies = {pair for pair, link in best.items() if link.duplicate}
        best |= _view_links(names, new, features, radius, copies)
    return sorted(best.values())


def _whole_links(
    names: list[str], new: Mask, features: Features, radius: int, leak_radius: int
) -> Iterator[Link]:
    hashes = np.array([features.whole[s] for s in names], np.uint64)
    for i, j, d in zip(*new_pairs_within(hashes, new, leak_radius), strict=True):
        first, second = features.thumbs[names[i]], features.thumbs[names[j]]
        same = bool(d <= radius) and same_whole(first, second)
        link = Link(names[i], names[j], int(d), "whole", same)
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
    names: list[str],
    new: Mask,
    features: Features,
    radius: int,
    leak_radius: int,
    *,
    views: bool,
) -> Iterator[Link]:
    whole = np.array([features.whole[s] for s in names], np.uint64)
    mirrored = np.array([features.mirrored[s] for s in names], np.uint64)
    closest: dict[tuple[int, int], int] = {}
    for i, j, d in zip(*new_cross_pairs(whole, mirrored, (new, new), leak_radius), strict=True):
        pair = (min(i, j), max(i, j))
        if i != j:
            closest[pair] = min(int(d), closest.get(pair, 64))
    for (i, j), d in closest.items():
        thumbs = features.thumbs[names[i]], features.thumbs[names[j]]
        same = views and d <= radius and same_mirrored(*thumbs)
        yield Link(names[i], names[j], d, "mirrored", same)


def _view_links(
    names: list[str],
    new: Mask,
    features: Features,
    radius: int,
    known: set[tuple[str, str]],
) -> dict[tuple[str, str], Link]:
    """Return a verified link per pair whose one picture looks like a view of the other."""
    best: dict[tuple[str, str], tuple[float, Link]] = {}
    for (part, whole, flipped), (d, view) in _view_candidates(names, new, features, radius).items():
        pair = (min(part, whole), max(part, whole))
        if pair in known:
            continue
        thumb = features.thumbs[part][:, ::-1] if flipped else features.thumbs[part]
        alignment = align(thumb, features.thumbs[whole], VIEWS[view])
        if not alignment.is_copy or (pair in best and best[pair][0] >= alignment.luma):
            continue
        link = Link(part, whole, d, "crop", duplicate=True)
        if is_frame(features.thumbs[whole], alignment.box):
            link = Link(whole, part, d, "border", duplicate=True)
        best[pair] = (alignment.luma, link)
    return {pair: link for pair, (_, link) in best.items()}


def _view_candidates(
    names: list[str], new: Mask, features: Features, radius: int
) -> dict[tuple[str, str, bool], tuple[int, int]]:
    """Return (part, whole, mirrored) -> (distance, view) of the view that comes nearest."""
    views = np.array([features.views[s] for s in names], np.uint64).reshape(-1)
    cut = np.flatnonzero(views != NO_HASH)
    new_cut = new[cut // len(VIEWS)]
    nearest: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for flipped, source in ((False, features.whole), (True, features.mirrored)):
        queries = np.array([source[s] for s in names], np.uint64)
        for i, k, d in zip(
            *new_cross_pairs(queries, views[cut], (new, new_cut), radius), strict=True
        ):
            j, view = divmod(int(cut[k]), len(VIEWS))
            if i != j:
                key = (names[i], names[j], flipped)
                nearest[key] = min(nearest.get(key, (64, 0)), (int(d), view))
    return nearest


def with_pixels(
    links: Iterable[Link], pictures: Iterable[str], digests: Mapping[str, bytes]
) -> list[Link]:
    """Return the links and, for every pair with equal pixels, a link that says so instead."""
    best = {link.pair: link for link in links}
    sharing: dict[bytes, list[str]] = defaultdict(list)
    for sha256 in sorted(set(pictures) & digests.keys()):
        sharing[digests[sha256]].append(sha256)
    for group in sharing.values():
        for first, second in combinations(group, 2):
            best[first, second] = Link(first, second, 0, "pixels", duplicate=True)
    return sorted(best.values())


def with_frames(
    links: Iterable[Link],
    fidelity: Mapping[str, Fidelity],
    thumbs: Mapping[str, NDArray[np.uint8]],
) -> list[Link]:
    """Return the links; of a crop that shows all inside a border, the framed copy yields instead.

    `thumbs` are uint8[32, 32] by SHA-256.
    """
    return [
        link._replace(first=link.second, second=link.first, kind="border")
        if link.kind == "crop" and _is_framed(link, fidelity, thumbs)
        else link
        for link in links
    ]


def _is_framed(
    crop: Link, fidelity: Mapping[str, Fidelity], thumbs: Mapping[str, NDArray[np.uint8]]
) -> bool:
    part, whole = fidelity[crop.first], fidelity[crop.second]
    if whole.border - part.border < _LEAST_BORDER:
        return False
    enclosed = (1 - whole.border) / (1 - part.border)
    margin = (1 - sqrt(enclosed)) / 2
    box = (margin, 1 - margin, margin, 1 - margin)
    cut, framed = thumbs[crop.first], thumbs[crop.second]
    alignment = max(align(cut, framed, box), align(cut[:, ::-1], framed, box))
    left, right, top, bottom = alignment.box
    return (right - left) * (bottom - top) >= enclosed - _AREA_STEP
