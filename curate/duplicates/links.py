"""Find pictures that are copies of each other, and those near enough to leak."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.duplicates.hamming import (
    Hashes,
    Indices,
    Mask,
    PairArrays,
    nearest_of,
    new_cross_pairs,
    new_pairs_within,
)
from curate.duplicates.verification import (
    Scene,
    align_view,
    same_inside,
    same_picture,
    same_rotated,
    scenes_of,
)
from curate.features.alignment import align, borders, has_wider_border, is_frame, plainly_same
from curate.features.cache import Features
from curate.features.fidelity import Fidelity
from curate.features.phash import MIRRORED, NO_HASH, TURNS, VIEWS
from sceneset.manifest.rows import KeptPicture

# Raise the number when the same features can lead to other links.
ALGORITHM = "links/2"
_LEAST_BORDER = 0.03
# Boxes are found to 1 % of each side.
_AREA_STEP = 0.04

LinkKind = Literal["pixels", "whole", "mirrored", "turned", "rotated", "crop", "border", "inside"]
# A picture of a class: class id and SHA-256.
Key = tuple[int, str]


def key_of(picture: KeptPicture) -> Key:
    """Return class id and SHA-256."""
    return picture.class_id, picture.sha256


class Link(NamedTuple):
    """Two pictures that look alike, `distance` bits apart: whole, or inside their frames.

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
    def is_certain(self) -> bool:
        """Say whether no other link can tell more of two copies.

        A crop or a bordered copy may pass for a rotation by a degree.
        """
        return self.duplicate and self.kind != "rotated"

    @property
    def is_comparable(self) -> bool:
        """Say whether both show all of one scene, upright, so that their px can be compared."""
        return self.kind not in {"turned", "rotated", "crop", "inside"}

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

    Pictures within `radius`, whole or with `views` also mirrored, turned or cropped, are copies when
    their aligned thumbnails agree too; with `views` also those within `leak_radius` that agree when
    rotated a little, or inside their frames. Other whole and mirrored pictures within `leak_radius`
    are linked without being copies. Pairs of pictures that were both `compared`
    before are left out: a link depends on its two pictures alone.
    """
    names = sorted(s for s in pictures if features.whole[s] != NO_HASH)
    new = ~np.isin(np.array(names, "U64"), np.array(sorted(compared), "U64"))
    search = _Comparison(names, new, features, radius)
    best = {link.pair: link for link in search.whole(leak_radius, views=views)}
    others = [search.mirrored(leak_radius, views=views)]
    if views:
        others += [search.turned(), search.inside(leak_radius)]
    for link in chain.from_iterable(others):
        known = best.get(link.pair)
        if known is None or (link.duplicate and not known.is_certain):
            best[link.pair] = link
    if views:
        copies = {pair for pair, link in best.items() if link.is_certain}
        best |= search.views(copies)
    return sorted(best.values())


class _Comparison(NamedTuple):
    """Pictures, sorted, that are compared within a radius: the `new` ones with all."""

    names: list[str]
    new: Mask
    features: Features
    radius: int

    def whole(self, leak_radius: int, *, views: bool) -> Iterator[Link]:
        """Yield whole pictures within the leak radius; with `views` slightly rotated ones are copies."""
        names, thumbs = self.names, self.features.thumbs
        bordered = cache(lambda sha256: borders(thumbs[sha256]))
        first, second, distances = new_pairs_within(self._whole, self.new, leak_radius)
        pairs = np.stack([first, second], axis=1)
        plain = plainly_same(np.stack([thumbs[s] for s in names]), pairs) if names else ()
        for (i, j), d, same in zip(pairs.tolist(), distances.tolist(), plain, strict=True):
            one, other = names[i], names[j]
            copies = d <= self.radius and same_picture(self.features, one, other, plain=bool(same))
            kind: LinkKind = "whole"
            if copies and has_wider_border(bordered(one), bordered(other)):
                kind = "border"
            elif copies and has_wider_border(bordered(other), bordered(one)):
                one, other, kind = other, one, "border"
            elif views and not copies and same_rotated(self.features, one, other):
                copies, kind = True, "rotated"
            yield Link(one, other, d, kind, copies)

    def mirrored(self, leak_radius: int, *, views: bool) -> Iterator[Link]:
        """Yield pictures of which one is the other's mirror image: copies only with `views`."""
        for first, second, d, _ in self._oriented([MIRRORED], leak_radius):
            same = views and d <= self.radius
            same = same and same_picture(self.features, first, second, MIRRORED)
            yield Link(min(first, second), max(first, second), d, "mirrored", same)

    def turned(self) -> Iterator[Link]:
        """Yield copies of which one was turned or flipped."""
        for first, second, d, orientation in self._oriented(TURNS, self.radius):
            if same_picture(self.features, first, second, orientation):
                yield Link(min(first, second), max(first, second), d, "turned", duplicate=True)

    def inside(self, leak_radius: int) -> Iterator[Link]:
        """Yield copies of what is inside a frame, in any orientation; the other may have none.

        They may be as far as the leak radius: an edge of the frame is met to a px or two.
        """
        insides, names = self.features.insides, self.names
        framed = [k for k, s in enumerate(names) if s in insides]
        hashes = np.array([insides[names[k]].hashes for k in framed], np.uint64).reshape(-1, 8)
        scenes = self._whole
        scenes[framed] = hashes[:, 0]
        near = self._nearest(scenes, hashes, (self.new, self.new[framed]), leak_radius)
        for (i, place), (d, orientation) in near.items():
            other, first = names[i], names[framed[place]]
            if other != first and same_inside(self.features, other, first, orientation):
                kind: LinkKind = "inside" if other in insides else "border"
                yield Link(first, other, d, kind, duplicate=True)

    def views(self, known: set[tuple[str, str]]) -> dict[tuple[str, str], Link]:
        """Return a verified link per pair whose one picture looks like a view of the other.

        Either picture may be all of it or what its frame encloses.
        """
        best: dict[tuple[str, str], tuple[float, Link]] = {}
        for part, whole, d, view, orientation in self._views():
            pair = (min(part.sha256, whole.sha256), max(part.sha256, whole.sha256))
            if pair in known:
                continue
            alignment = align_view(self.features, part, whole, view, orientation)
            if alignment is None or (pair in best and best[pair][0] >= alignment.luma):
                continue
            link = Link(part.sha256, whole.sha256, d, "crop", duplicate=True)
            if not part.inside and not whole.inside and is_frame(whole.thumb, alignment.box):
                link = Link(whole.sha256, part.sha256, d, "border", duplicate=True)
            best[pair] = (alignment.luma, link)
        return {pair: link for pair, (_, link) in best.items()}

    @property
    def _whole(self) -> Hashes:
        return np.array([self.features.whole[s] for s in self.names], np.uint64)

    def _nearest(
        self, queries: Hashes, hashes: Hashes, new: tuple[Mask, Mask], radius: int
    ) -> dict[tuple[int, int], tuple[int, int]]:
        """Return what nearest_of finds where the query or the row of `hashes` is `new`."""

        def find(first: Hashes, second: Hashes, rows: Indices) -> PairArrays:
            return new_cross_pairs(first, second, (new[0], new[1][rows]), radius)

        return nearest_of(queries, hashes, find)

    def _oriented(
        self, orientations: Sequence[int], radius: int
    ) -> Iterator[tuple[str, str, int, int]]:
        """Yield (first, second, distance, orientation of the second), the nearest of each pair."""
        hashes = np.array([self.features.oriented[s] for s in self.names], np.uint64)
        hashes = hashes.reshape(-1, 8)[:, orientations]
        near = self._nearest(self._whole, hashes, (self.new, self.new), radius)
        for (i, j), (d, k) in near.items():
            if i != j:
                yield self.names[i], self.names[j], d, orientations[k]

    def _views(self) -> Iterator[tuple[Scene, Scene, int, int, int]]:
        """Yield (part, whole, distance, view, orientation of the part) of the nearest view."""
        scenes = scenes_of(self.features, self.names)
        new_names = {s for s, new in zip(self.names, self.new, strict=True) if new}
        new = np.array([scene.sha256 in new_names for scene in scenes], np.bool_)
        hashes = np.array([scene.hashes for scene in scenes], np.uint64).reshape(-1, 8)
        views = np.array([scene.views for scene in scenes], np.uint64).reshape(-1, len(VIEWS))
        for orientation in (0, MIRRORED):
            near = self._nearest(hashes[:, orientation], views, (new, new), self.radius)
            for (i, j), (d, view) in near.items():
                if scenes[i].sha256 != scenes[j].sha256:
                    yield scenes[i], scenes[j], d, view, orientation


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
