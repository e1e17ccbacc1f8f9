"""Put aside all but the best of pictures that look the same, before pairs are searched.

Ten thousand copies of one picture make fifty million pairs. Those of one hash whose thumbnails
agree with their leader's so well that they must agree with each other are copies of each other:
cos(a + b) bounds the correlation of two vectors that are a and b away from a third. One picture of
each class stands for them in the search.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curate.alignment import plain_vectors
from curate.best import enlarged, ranked
from curate.conflicts import Key, key_of
from curate.duplicates import Kind, Link
from curate.features import Features
from curate.fidelity import Fidelity
from curate.hashing import NO_HASH
from pipeline.rows import KeptPicture

# Two pictures that agree this well with a third agree by 2 * 0.99^2 - 1 = 0.96 and 0.80.
LEADER_LUMA = 0.99
LEADER_DETAIL = 0.95
_SIZES_COMPARED = 8

Vectors = NDArray[np.float32]


def twin_groups(
    pictures: Iterable[str], features: Features, digests: Mapping[str, bytes]
) -> list[list[str]]:
    """Return groups of pictures that look the same, each and the list sorted, none of one.

    Flat pictures, which have no hash, need equal pixels (`digests`).
    """
    by_hash: dict[int, list[str]] = defaultdict(list)
    by_pixels: dict[bytes, list[str]] = defaultdict(list)
    for sha256 in sorted(pictures):
        if features.whole[sha256] != NO_HASH:
            by_hash[features.whole[sha256]].append(sha256)
        elif sha256 in digests:
            by_pixels[digests[sha256]].append(sha256)
    groups = [
        group
        for members in by_hash.values()
        if len(members) > 1
        for group in _same_views(members, features)
    ]
    return sorted(group for group in [*groups, *by_pixels.values()] if len(group) > 1)


def _same_views(members: Sequence[str], features: Features) -> Iterator[list[str]]:
    """Cut pictures of one hash into groups around leaders, the smallest SHA-256 first."""
    left = np.array(members)
    luma, detail = plain_vectors(np.stack([features.thumbs[s] for s in members]))
    while len(left):
        near = luma @ luma[0] >= LEADER_LUMA
        near &= detail @ detail[0] >= LEADER_DETAIL
        near[0] = True
        yield left[near].tolist()
        left, luma, detail = left[~near], luma[~near], detail[~near]


def put_aside(
    pictures: Iterable[KeptPicture],
    groups: Iterable[Sequence[str]],
    measured: Mapping[str, Fidelity],
    digests: Mapping[str, bytes],
    *,
    kept: Collection[Key] = (),
) -> dict[Key, Link]:
    """Return each picture that a better twin of its class stands for, linked to that one.

    What a person kept is never put aside.
    """
    place = {sha256: number for number, group in enumerate(groups) for sha256 in group}
    together: dict[tuple[int, int], list[KeptPicture]] = defaultdict(list)
    for picture in pictures:
        if picture.sha256 in place:
            together[picture.class_id, place[picture.sha256]].append(picture)
    aside: dict[Key, Link] = {}
    for (class_id, _), members in together.items():
        by_hand = {s for c, s in map(key_of, members) if (c, s) in kept}
        grown = enlarged(_size_pairs(members, measured), measured)
        best, *others = ranked(members, measured, by_hand=by_hand, enlarged=grown)
        for sha256 in others:
            if sha256 not in by_hand:
                same = digests.get(sha256) == digests.get(best, b"")
                kind: Kind = "pixels" if same else "whole"
                aside[class_id, sha256] = Link(sha256, best, 0, kind, duplicate=True)
    return aside


def _size_pairs(
    members: Iterable[KeptPicture], measured: Mapping[str, Fidelity]
) -> Iterator[tuple[str, str]]:
    """Pair every picture with one of each of the smallest sizes."""
    names = sorted((measured[p.sha256].pixels, p.sha256) for p in members)
    one_of_size = dict(reversed(names))
    smallest = [one_of_size[size] for size in sorted(one_of_size)][:_SIZES_COMPARED]
    return ((small, name) for _, name in names for small in smallest if small != name)


def standing(pictures: Iterable[KeptPicture], aside: Mapping[Key, Link]) -> list[KeptPicture]:
    """Return the pictures not put aside, each with the best rank of those it stands for."""
    pictures = list(pictures)
    rank: dict[Key, int] = {}
    for picture in pictures:
        key = key_of(picture)
        stands = (key[0], aside[key].second) if key in aside else key
        rank[stands] = min(picture.rank, rank.get(stands, picture.rank))
    return [replace(p, rank=rank[key_of(p)]) for p in pictures if key_of(p) not in aside]
