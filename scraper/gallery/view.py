"""Fix what one page load shares with its later batches: names, words, addresses."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random

from scraper.gallery.behaviours import Mix
from scraper.gallery.catalogue import Result
from scraper.gallery.seeds import seeded
from scraper.gallery.texts import FOREIGN, TEXTS, Texts
from scraper.gallery.vintage import JS_NAMES, LAYOUTS, Layout

_ROLES = (
    "head",
    "chips",
    "grid",
    "column",
    "wrapper",
    "box",
    "frame",
    "caption",
    "site",
    "favicon",
    "title",
    "more",
    "decoy",
)
_POLITE = Mix()


@dataclass(frozen=True)
class View:
    """What one page load shares with its later batches: its id and where thumbnails live."""

    eid: str
    thumbs: str
    mix: Mix = _POLITE

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Return a random class name per role, the same for the whole page load."""
        rng = seeded(self.eid)
        return {role: _token(rng) for role in _ROLES}

    @cached_property
    def js(self) -> Mapping[str, str]:
        """Return the jsname of each part: the known ones, or random ones."""
        rng = seeded("js", self.eid)
        return {part: _token(rng) for part in JS_NAMES} if "renamed" in self.mix else JS_NAMES

    @cached_property
    def texts(self) -> Texts:
        """Return the words of the page."""
        if "japanese" in self.mix:
            return TEXTS["ja"]
        return TEXTS[seeded("lang", self.eid).choice(FOREIGN) if "renamed" in self.mix else "en"]

    @property
    def layout(self) -> Layout:
        """Return the page of its year."""
        return LAYOUTS[self.mix.vintage]

    def image_id(self, rank: int) -> str:
        """Return the id of a thumbnail's element."""
        return f"dimg_{self.eid}_{rank}"

    def thumb_url(self, result: Result) -> str:
        """Return the address of a thumbnail."""
        return thumb_url(self.thumbs, result)


def thumb_url(thumbs: str, result: Result) -> str:
    """Return the address of a thumbnail on an origin such as `http://127.0.0.1:8100`."""
    return f"{thumbs}/images?q=tbn:{result.thumb_id}&s=10"


def _token(rng: Random) -> str:
    letters = rng.choices(string.ascii_letters, k=1) + rng.choices(
        string.ascii_letters + string.digits, k=5
    )
    return "".join(letters)
