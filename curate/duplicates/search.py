"""Search a set's usable pictures for copies: identical hashes first, then pairs."""

import gzip
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from curate.duplicates.links import (
    ALGORITHM,
    Key,
    Link,
    LinkKind,
    find_links,
    key_of,
    with_pixels,
)
from curate.duplicates.representative import find_enlarged, ranked, without_overlay
from curate.features.alignment import plain_vectors
from curate.features.cache import Features, FullMeasures, algorithms
from curate.features.fidelity import Fidelity
from curate.features.phash import NO_HASH
from curate.settings import CurateSettings
from sceneset.atomic import write_file
from sceneset.manifest.rows import KeptPicture

FILE = "links.json.gz"
# More would take longer to read than to find.
MOST_LINKS_PER_PICTURE = 20


# SHA-256 -> the box inside the picture's frame, on which its links depend.
Boxes = Mapping[str, list[float] | None]


def read_links(path: Path, key: str, pictures: Boxes) -> tuple[set[str], list[Link]]:
    """Return which of these pictures were all compared before, and every link among them.

    Those are none when the file is not there, damaged or of another `key`: all that a link depends
    on besides its two pictures.
    """
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        if stored["key"] != key:
            return set(), []
        names = [str(name) for name, _ in stored["pictures"]]
        known = {name for name, box in stored["pictures"] if pictures.get(name, ()) == box}
        links = [Link(names[i], names[j], *rest) for i, j, *rest in stored["links"]]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError):
        return set(), []
    return known, [link for link in links if link.first in known and link.second in known]


def write_links(path: Path, key: str, pictures: Boxes, links: Collection[Link]) -> None:
    """Write what this run found; of a set that is mostly copies nothing is kept.

    Raises OSError as the system gives it.
    """
    names = sorted(pictures)
    if len(links) > MOST_LINKS_PER_PICTURE * len(names):
        path.unlink(missing_ok=True)
        return
    place = {name: k for k, name in enumerate(names)}
    stored = {
        "key": key,
        "pictures": [(name, pictures[name]) for name in names],
        "links": [(place[one.first], place[one.second], *one[2:]) for one in links],
    }
    write_file(path, gzip.compress(json.dumps(stored).encode(), 1, mtime=0))


# Two pictures that agree this well with a third agree by 2 * 0.99^2 - 1 = 0.96 and 0.80.
LEADER_LUMA = 0.99
LEADER_DETAIL = 0.95
_SIZES_COMPARED = 8

# Takes (SHA-256 of) pictures; what was measured before costs nothing.
MeasureFully = Callable[[Iterable[str]], FullMeasures]


@dataclass(frozen=True)
class SearchResult:
    """What the search for copies found.

    `represented` links each picture to the better one that represents it: of its class and
    identical-hash group. `links` are among the `representatives`, ungrouped pictures included;
    `full` has the measures of pictures with copies.
    """

    representatives: list[KeptPicture]
    represented: Mapping[Key, Link]
    links: Sequence[Link]
    full: FullMeasures


def search(
    usable: Collection[KeptPicture],
    features: Features,
    settings: CurateSettings,
    measure_fully: MeasureFully,
    *,
    kept: frozenset[Key],
    cache: Path,
) -> SearchResult:
    """Collapse identical-hash groups, link what is left, and measure pictures with copies fully.

    Pictures that an earlier run compared with each other are not compared again: the folder `cache`
    has their links.
    """
    names = {p.sha256 for p in usable}
    flat = {s for s in names if features.whole[s] == NO_HASH}
    groups = identical_hash_groups(names, features, measure_fully(flat).digests)
    full = measure_fully({s for group in groups for s in group})
    represented = collapse_groups(usable, groups, full, kept=kept)
    left = _representatives(usable, represented)
    names = {p.sha256 for p in left}
    links = _links(names, features, settings, cache)
    alike = {s for link in links if link.duplicate for s in link.pair}
    full = measure_fully(flat | alike | (names & full.digests.keys()))
    return SearchResult(left, represented, with_pixels(links, names, full.digests), full)


def identical_hash_groups(
    pictures: Iterable[str], features: Features, digests: Mapping[str, bytes]
) -> list[list[str]]:
    """Return groups of pictures that look the same, each and the list sorted, none of one.

    Flat pictures, which have no hash, need equal pixels (`digests`).
    """
    by_hash: dict[tuple[int, int], list[str]] = defaultdict(list)
    by_pixels: dict[bytes, list[str]] = defaultdict(list)
    for sha256 in sorted(pictures):
        if features.whole[sha256] != NO_HASH:
            inside = features.insides.get(sha256)
            value = int(inside.hashes[0]) if inside else NO_HASH
            by_hash[features.whole[sha256], value].append(sha256)
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


def collapse_groups(
    pictures: Iterable[KeptPicture],
    groups: Iterable[Sequence[str]],
    full: FullMeasures,
    *,
    kept: Collection[Key] = (),
) -> dict[Key, Link]:
    """Return each picture that a better one of its group and class represents, linked to that one.

    What a person kept is never represented by another.
    """
    place = {sha256: number for number, group in enumerate(groups) for sha256 in group}
    together: dict[tuple[int, int], list[KeptPicture]] = defaultdict(list)
    for picture in pictures:
        if picture.sha256 in place:
            together[picture.class_id, place[picture.sha256]].append(picture)
    represented: dict[Key, Link] = {}
    for (class_id, _), members in together.items():
        by_hand = {s for c, s in map(key_of, members) if (c, s) in kept}
        grown = find_enlarged(_size_pairs(members, full.fidelity), full.fidelity)
        order = ranked(members, full.fidelity, by_hand=by_hand, enlarged=grown)
        links_of = partial(_links_to_all, order)
        best = without_overlay(order[0], links_of, full.fidelity, by_hand=by_hand)
        for sha256 in order:
            if sha256 != best and sha256 not in by_hand:
                same = full.digests.get(sha256) == full.digests.get(best, b"")
                kind: LinkKind = "pixels" if same else "whole"
                represented[class_id, sha256] = Link(sha256, best, 0, kind, duplicate=True)
    return represented


def _links_to_all(order: Sequence[str], sha256: str) -> Iterator[Link]:
    return (Link(sha256, other, 0, "whole", duplicate=True) for other in order if other != sha256)


def _size_pairs(
    members: Iterable[KeptPicture], fidelity: Mapping[str, Fidelity]
) -> Iterator[tuple[str, str]]:
    """Pair every picture with one of each of the smallest sizes."""
    names = sorted((fidelity[p.sha256].pixels, p.sha256) for p in members)
    one_of_size = dict(reversed(names))
    smallest = [one_of_size[size] for size in sorted(one_of_size)][:_SIZES_COMPARED]
    return ((small, name) for _, name in names for small in smallest if small != name)


def _representatives(
    pictures: Collection[KeptPicture], represented: Mapping[Key, Link]
) -> list[KeptPicture]:
    """Return the pictures not represented by others, each with the best rank of its group."""
    rank: dict[Key, int] = {}
    for picture in pictures:
        key = key_of(picture)
        own = (key[0], represented[key].second) if key in represented else key
        rank[own] = min(picture.rank, rank.get(own, picture.rank))
    return [replace(p, rank=rank[key_of(p)]) for p in pictures if key_of(p) not in represented]


def _links(
    pictures: set[str], features: Features, settings: CurateSettings, folder: Path
) -> list[Link]:
    used = sorted(algorithms(exact=settings.exact_hash).items())
    depends_on = (ALGORITHM, *used, settings.radius, settings.leak_radius, settings.views)
    key = hashlib.sha256(" ".join(map(str, depends_on)).encode()).hexdigest()
    boxes = {s: list(features.insides[s].box) if s in features.insides else None for s in pictures}
    compared, known_links = read_links(folder / FILE, key, boxes)
    new_links = find_links(
        pictures,
        features,
        radius=settings.radius,
        leak_radius=settings.leak_radius,
        views=settings.views,
        compared=compared,
    )
    links = sorted([*known_links, *new_links])
    if compared != pictures:
        write_links(folder / FILE, key, boxes, links)
    return links
