"""Search a set's usable pictures for copies, looking closer at those that have any."""

from collections.abc import Callable, Collection, Iterable

from curate.conflicts import Key
from curate.decisions import Search
from curate.duplicates import Link, find_links, with_pixels
from curate.features import Closer, Features
from curate.hashing import NO_HASH
from curate.remembered import Memory
from curate.settings import CurateSettings
from curate.twins import put_aside, standing, twin_groups
from pipeline.rows import KeptPicture

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
