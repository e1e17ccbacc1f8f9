"""Search a set's usable pictures for copies: identical hashes first, then pairs, remembered over runs."""

import gzip
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.decisions.conflicts import Key, key_of
from curate.decisions.decisions import Search
from curate.duplicates.links import ALGORITHM, Kind, Link, find_links, with_pixels
from curate.duplicates.representative import enlarged, ranked
from curate.features.alignment import plain_vectors
from curate.features.cache import Closer, Features
from curate.features.fidelity import Fidelity
from curate.features.phash import NO_HASH
from curate.settings import CurateSettings
from sceneset.atomic import write_file
from sceneset.manifest.rows import KeptPicture

FILE = "links.json.gz"
# More would take longer to read than to find.
MOST_LINKS_PER_PICTURE = 20


class Known(NamedTuple):
    """Pictures that were all compared with each other, by SHA-256, and every link among them."""

    pictures: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()

    def among(self, pictures: Collection[str]) -> "Known":
        """Return what is known of these pictures alone."""
        names = self.pictures & set(pictures)
        links = (link for link in self.links if link.first in names and link.second in names)
        return Known(names, tuple(links))


@dataclass(frozen=True)
class Memory:
    """The file that keeps the links found with one set of algorithms and radii."""

    path: Path
    key: str

    def recall(self) -> Known:
        """Return what an earlier run found, nothing when it is not there, damaged or of another key."""
        try:
            told = json.loads(gzip.decompress(self.path.read_bytes()))
            if told["key"] != self.key:
                return Known()
            names = [str(name) for name in told["pictures"]]
            links = (Link(names[i], names[j], *rest) for i, j, *rest in told["links"])
            return Known(frozenset(names), tuple(links))
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError):
            return Known()

    def keep(self, pictures: Iterable[str], links: Collection[Link]) -> None:
        """Write what this run found; of a set that is mostly copies nothing is kept.

        Raises OSError as the system gives it.
        """
        names = sorted(pictures)
        if len(links) > MOST_LINKS_PER_PICTURE * len(names):
            self.path.unlink(missing_ok=True)
            return
        place = {name: k for k, name in enumerate(names)}
        told = {
            "key": self.key,
            "pictures": names,
            "links": [(place[one.first], place[one.second], *one[2:]) for one in links],
        }
        write_file(self.path, gzip.compress(json.dumps(told).encode(), 1, mtime=0))


def memory_of(folder: Path, algorithms: Iterable[object]) -> Memory:
    """Return the memory in a cache folder for all that a link depends on besides the pictures."""
    said = " ".join(map(str, (ALGORITHM, *algorithms)))
    return Memory(folder / FILE, hashlib.sha256(said.encode()).hexdigest())


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


# Takes (SHA-256 of) pictures; what was looked at before costs nothing.
LookCloser = Callable[[Iterable[str]], Closer]


def search(
    usable: Collection[KeptPicture],
    features: Features,
    settings: CurateSettings,
    look_closer: LookCloser,
    *,
    kept: frozenset[Key],
    memory: Memory,
) -> Search:
    """Put twins aside, link what is left, and look closer at every picture with a copy.

    Pictures that an earlier run compared with each other are not compared again.
    """
    names = {p.sha256 for p in usable}
    flat = {s for s in names if features.whole[s] == NO_HASH}
    groups = twin_groups(names, features, look_closer(flat).digests)
    seen = look_closer({s for group in groups for s in group})
    aside = put_aside(usable, groups, seen.fidelity, seen.digests, kept=kept)
    left = standing(usable, aside)
    links = _links({p.sha256 for p in left}, features, settings, memory)
    alike = {s for link in links if link.duplicate for s in link.pair}
    seen = look_closer(flat | alike | {p.sha256 for p in left if p.sha256 in seen.digests})
    names = {p.sha256 for p in left}
    return Search(left, aside, with_pixels(links, names, seen.digests), seen.fidelity, seen.digests)


def _links(
    pictures: set[str], features: Features, settings: CurateSettings, memory: Memory
) -> list[Link]:
    known = memory.recall().among(pictures)
    found = find_links(
        pictures,
        features,
        radius=settings.radius,
        leak_radius=settings.leak_radius,
        views=settings.views,
        compared=known.pictures,
    )
    links = sorted([*known.links, *found])
    if known.pictures != pictures:
        memory.keep(pictures, links)
    return links
