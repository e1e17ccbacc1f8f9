"""State what `scrape` and `add` can be told, with the defaults."""

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from pipeline.dataset import DEFAULT_ROOT
from pipeline.errors import SettingsError

GENTLE_PER_MINUTE = 20


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ScrapeSettings:
    """What to collect, from where, and how gently."""

    classes: Path = Path("classes.txt")
    """The class list: one `Name` or `Name: query | query` per line."""
    dataset: Path = DEFAULT_ROOT
    """The data set's folder; made when missing."""
    per_class: int = 300
    """Pictures to keep of each class."""
    engine: Literal["google"] = "google"
    """Where to search."""
    search_url: str | None = None
    """Template of the results page, with {query}; any replica or mirror can stand in."""
    pause: float = 2.0
    """Seconds between page loads, varied by a quarter either way."""
    max_per_minute: int | None = None
    """Page loads in any minute, at most; by default 20, and no limit when --pause is 0."""
    attempts: int = 3
    """Times a result whose bytes could not be had is tried, over all runs."""
    max_seconds: float = 300.0
    """Seconds spent on one query, at most."""
    driver: Path | None = None
    """The chromedriver to use; by default one that fits the installed browser is found."""
    headful: Annotated[bool, Parameter(negative="")] = False
    """Show the browser's window."""
    resume: Annotated[bool, Parameter(negative="--fresh")] = True
    """Skip classes that have their pictures; --fresh collects `--per-class` new ones of each."""
    seed: int = 0
    """Seed of the variation of pauses."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name in ("per_class", "attempts", "max_per_minute"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        _at_least("pause", self.pause, 0)
        _at_least("max_seconds", self.max_seconds, 1)
        if self.search_url is not None:
            _check_template(self.search_url)

    @property
    def loads_per_minute(self) -> int | None:
        """Return the most page loads in any minute; None for any number."""
        if self.max_per_minute is None and self.pause > 0:
            return GENTLE_PER_MINUTE
        return self.max_per_minute


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AddSettings:
    """Which folders to adopt, and where."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder; made when missing."""
    classes: Path | None = None
    """A class list; a folder outside it is refused."""


def _at_least(name: str, value: float, least: float) -> None:
    if not least <= value < inf:
        flag = "--" + name.replace("_", "-")
        raise SettingsError(f"{flag} is {value}", cure=f"give {flag} {least} or more")


def _check_template(template: str) -> None:
    parts = urlsplit(template)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "{query}" not in template:
        raise SettingsError(
            f"--search-url {template!r} is no template of a results page",
            cure="give one such as 'http://127.0.0.1:8099/search?q={query}'",
        )
