"""Remember which pictures were compared and what was found, so that a grown set costs its growth."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from curate.duplicates import ALGORITHM, Link
from pipeline.durable import write_file

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
