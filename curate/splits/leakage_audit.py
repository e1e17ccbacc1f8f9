"""Search the published splits again for copies that stand in two of them.

Nothing that made the groups is used: neither their links, nor those remembered from earlier runs.
Every picture of a split is compared with every one of another, from their hashes and thumbnails.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from curate.duplicates.hamming import Hashes, Indices, PairArrays, cross_pairs, nearest_of
from curate.duplicates.links import Link
from curate.duplicates.verification import (
    align_view,
    same_inside,
    same_picture,
    same_rotated,
    scenes_of,
)
from curate.features.cache import Features
from curate.features.phash import MIRRORED, NO_HASH, TURNS
from curate.settings import CurateSettings
from sceneset.errors import SceneSetError
from sceneset.manifest.rows import SPLITS, Split

Names = Sequence[str]
# Up to the square of this many pairs are compared one by one, without the index.
_BRUTE_BELOW = 5_800
_REPORT = "report it, with the report of the run before"


def audit(
    split_of: Mapping[str, Split],
    features: Features,
    digests: Mapping[str, bytes],
    settings: CurateSettings,
) -> list[Link]:
    """Return a link for every pair across splits that is a copy or within the leak radius, sorted.

    Copies are whole pictures within the radius, with views mirrored and cropped ones too, that
    agree when aligned, and flat pictures with equal pixels (`digests`). Raises SceneSetError when
    the pixels of a flat picture are not known.
    """
    unknown = [s for s in split_of if features.whole[s] == NO_HASH and s not in digests]
    if unknown:
        raise SceneSetError(
            f"internal error: {len(unknown)} flat pictures were not compared, the first "
            f"{unknown[0][:16]}; nothing was published",
            cure=_REPORT,
        )
    members = {split: sorted(s for s in split_of if split_of[s] == split) for split in SPLITS}
    crossings: dict[tuple[str, str], Link] = {}
    for one, other in combinations(SPLITS, 2):
        splits = _SplitPair(features, members[one], members[other], settings)
        for crossing in [*splits.equal(digests), *splits.near(), *splits.views()]:
            known = crossings.get(crossing.pair)
            if known is None or crossing.duplicate > known.duplicate:
                crossings[crossing.pair] = crossing
    return sorted(crossings.values())


class _SplitPair(NamedTuple):
    """Two splits that are searched for pairs."""

    features: Features
    one: Names
    other: Names
    settings: CurateSettings

    def equal(self, digests: Mapping[str, bytes]) -> Iterator[Link]:
        """Yield flat pictures with equal pixels."""
        known: dict[bytes, list[str]] = defaultdict(list)
        for name in self.one:
            if name in digests:
                known[digests[name]].append(name)
        for name in self.other:
            for equal in known.get(digests.get(name, b""), ()):
                yield Link(equal, name, 0, "pixels", duplicate=True)

    def near(self) -> Iterator[Link]:
        """Yield whole and mirrored pictures within the leak radius."""
        features, radius, within = self.features, self.settings.radius, self.settings.leak_radius
        whole = {s: value for s, value in features.whole.items() if value != NO_HASH}
        for a, b, d, _ in self._nearest(whole, self._oriented([0]), within):
            same = d <= radius and same_picture(features, a, b)
            rotated = not same and self.settings.views and same_rotated(features, a, b)
            yield Link(a, b, d, "rotated" if rotated else "whole", same or rotated)
        for a, b, d, _ in self._nearest(whole, self._oriented([MIRRORED]), within):
            same = self.settings.views and d <= radius
            same = same and same_picture(features, a, b, MIRRORED)
            yield Link(a, b, d, "mirrored", same)

    def views(self) -> Iterator[Link]:
        """Yield copies that were turned, cut or framed, where views are compared."""
        features, radius, within = self.features, self.settings.radius, self.settings.leak_radius
        if not self.settings.views:
            return
        whole = {s: value for s, value in features.whole.items() if value != NO_HASH}
        for a, b, d, turn in self._nearest(whole, self._oriented(TURNS), radius):
            if same_picture(features, a, b, TURNS[turn]):
                yield Link(a, b, d, "turned", duplicate=True)
        insides = {s: inside.hashes for s, inside in features.insides.items()}
        scenes = whole | {s: int(hashes[0]) for s, hashes in insides.items()}
        for a, b, d, orientation in self._nearest(scenes, insides, within):
            if same_inside(features, a, b, orientation):
                yield Link(b, a, d, "inside", duplicate=True)
        for orientation in (0, MIRRORED):
            yield from self._cut(orientation)

    def _cut(self, orientation: int) -> Iterator[Link]:
        """Yield pictures that look like a part of one in the other split, all of it or its inside."""
        one, other = (
            [scene for scene in scenes_of(self.features, names) if scene.hashes[0] != NO_HASH]
            for names in (self.one, self.other)
        )
        for parts, wholes in ((one, other), (other, one)):
            if not parts or not wholes:
                continue
            hashes = np.array([part.hashes[orientation] for part in parts], np.uint64)
            views = np.stack([whole.views for whole in wholes])
            near = nearest_of(hashes, views, self._within(self.settings.radius))
            for (i, j), (d, view) in near.items():
                if align_view(self.features, parts[i], wholes[j], view, orientation):
                    yield Link(parts[i].sha256, wholes[j].sha256, d, "crop", duplicate=True)

    def _oriented(self, orientations: Sequence[int]) -> dict[str, Hashes]:
        return {s: hashes[list(orientations)] for s, hashes in self.features.oriented.items()}

    def _nearest(
        self, queries: Mapping[str, int], hashes: Mapping[str, Hashes], radius: int
    ) -> Iterator[tuple[str, str, int, int]]:
        """Yield (a, b, distance, k) where the k-th hash of b is the nearest to a of another split."""
        for ones, others in ((self.one, self.other), (self.other, self.one)):
            one, other = ([s for s in ones if s in queries], [s for s in others if s in hashes])
            if one and other:
                values = np.array([queries[s] for s in one], np.uint64)
                table = np.stack([hashes[s] for s in other])
                near = nearest_of(values, table, self._within(radius))
                for (i, j), (d, k) in near.items():
                    yield one[i], other[j], d, k

    def _within(self, radius: int) -> Callable[[Hashes, Hashes, Indices], PairArrays]:
        """Return what finds the pairs of two sets within a radius."""
        return lambda first, second, _: cross_pairs(first, second, radius, brute_below=_BRUTE_BELOW)


def check(crossings: Sequence[Link]) -> None:
    """Raise SceneSetError when copies stand in two splits, a bug: nothing is published then."""
    copies = [c for c in crossings if c.duplicate]
    if copies:
        raise SceneSetError(
            f"internal error: {len(copies)} pairs of copies stand in two splits, the first "
            f"{copies[0].first[:16]} and {copies[0].second[:16]}; nothing was published",
            cure=_REPORT,
        )
