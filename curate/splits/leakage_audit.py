"""Search the published splits again for copies that stand in two of them.

Nothing that made the groups is used: neither their links, nor those remembered from earlier runs.
Every picture of a split is compared with every one of another, from their hashes and thumbnails.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from curate.duplicates.hamming import cross_pairs
from curate.duplicates.links import Link
from curate.features.alignment import align, same_mirrored, same_whole
from curate.features.cache import Features
from curate.features.phash import NO_HASH, VIEWS
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
            pair = crossing.first, crossing.second
            if pair not in crossings or crossing.duplicate > crossings[pair].duplicate:
                crossings[pair] = crossing
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
        radius, views = self.settings.radius, self.settings.views
        whole, mirrored = self.features.whole, self.features.mirrored
        thumbs = self.features.thumbs
        for a, b, d in self._joined(whole, whole):
            same = d <= radius and same_whole(thumbs[a], thumbs[b])
            yield Link(a, b, d, "whole", same)
        for first, second in ((whole, mirrored), (mirrored, whole)):
            for a, b, d in self._joined(first, second):
                same = views and d <= radius and same_mirrored(thumbs[a], thumbs[b])
                yield Link(a, b, d, "mirrored", same)

    def views(self) -> Iterator[Link]:
        """Yield pictures that look like a part of one in the other split, where views are compared."""
        if not self.settings.views:
            return
        for parts, wholes in ((self.one, self.other), (self.other, self.one)):
            for mirrored in (False, True):
                for part, whole, d, view in self._cut(parts, wholes, mirrored=mirrored):
                    thumb = self.features.thumbs[part]
                    turned = thumb[:, ::-1] if mirrored else thumb
                    if align(turned, self.features.thumbs[whole], VIEWS[view]).is_copy:
                        first, second = (part, whole) if parts is self.one else (whole, part)
                        yield Link(first, second, d, "crop", duplicate=True)

    def _joined(
        self, first: Mapping[str, int], second: Mapping[str, int]
    ) -> Iterator[tuple[str, str, int]]:
        one = [s for s in self.one if first[s] != NO_HASH]
        other = [s for s in self.other if second[s] != NO_HASH]
        a = np.array([first[s] for s in one], np.uint64)
        b = np.array([second[s] for s in other], np.uint64)
        for i, j, d in zip(
            *cross_pairs(a, b, self.settings.leak_radius, brute_below=_BRUTE_BELOW), strict=True
        ):
            yield one[i], other[j], int(d)

    def _cut(
        self, parts: Names, wholes: Names, *, mirrored: bool
    ) -> Iterator[tuple[str, str, int, int]]:
        """Yield (part, whole, distance, view) for every view of a whole that a part is near."""
        source = self.features.mirrored if mirrored else self.features.whole
        parts = [s for s in parts if source[s] != NO_HASH]
        hashes = np.array([source[s] for s in parts], np.uint64)
        flat = np.array([self.features.views[s] for s in wholes], np.uint64).reshape(-1)
        cut = np.flatnonzero(flat != NO_HASH)
        nearest: dict[tuple[int, int], tuple[int, int]] = {}
        for i, k, d in zip(
            *cross_pairs(hashes, flat[cut], self.settings.radius, brute_below=_BRUTE_BELOW),
            strict=True,
        ):
            j, view = divmod(int(cut[k]), len(VIEWS))
            nearest[i, j] = min(nearest.get((i, j), (64, 0)), (int(d), view))
        for (i, j), (d, view) in nearest.items():
            yield parts[i], wholes[j], d, view


def check(crossings: Sequence[Link]) -> None:
    """Raise SceneSetError when copies stand in two splits, a bug: nothing is published then."""
    copies = [c for c in crossings if c.duplicate]
    if copies:
        raise SceneSetError(
            f"internal error: {len(copies)} pairs of copies stand in two splits, the first "
            f"{copies[0].first[:16]} and {copies[0].second[:16]}; nothing was published",
            cure=_REPORT,
        )
