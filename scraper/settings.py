"""Define the settings of `scrape`, `add` and `doctor`, with their defaults."""

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from sceneset.dataset import DEFAULT_ROOT
from sceneset.errors import SettingsError
from sceneset.files.limits import FileLimits
from scraper.engines import ENGINES
from scraper.engines.engine import ResultsPage

Size = Literal["large", "medium", "small"]
PictureKind = Literal["photo", "face", "clipart", "lineart", "animated"]
ColourName = Literal[
    "colour", "gray", "transparent", "red", "orange", "yellow", "green", "teal", "blue", "purple",
    "pink", "white", "black", "brown",
]  # fmt: skip
Age = Literal["day", "week", "month", "year"]
Licence = Literal["creative-commons", "commercial", "public-domain"]

_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What to search for besides the words of the query."""

    language: str | None = None
    """Language of the results page: two letters such as en, de, ja."""
    country: str | None = None
    """Country to search from: two letters such as us, de, jp."""
    size: Size | None = None
    """Size of the pictures behind the previews."""
    type: PictureKind | None = None
    """Kind of picture."""
    colour: ColourName | None = None
    """Main colour of the pictures."""
    age: Age | None = None
    """How old a result may be at most."""
    licence: Licence | None = None
    """Only results that the engine lists under such a licence."""
    safe: bool | None = None
    """Leave out explicit results (--no-safe: don't); by default as the engine does."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a language or a country."""
        for name, example in (("language", "en"), ("country", "us")):
            value = getattr(self, name)
            if value is not None and not _TWO_LETTERS.fullmatch(value):
                raise SettingsError(
                    f"--{name} {value!r} is not a code of two letters",
                    cure=f"give --{name} two letters such as {example}",
                )

    def requested(self) -> dict[str, str]:
        """Return option name -> value of what was requested."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.safe is not None:
            values["safe"] = "on" if self.safe else "off"
        return {name: value for name, value in values.items() if value is not None}


GENTLE_PER_MINUTE = 20
CONTACT = re.compile(r"[!-'*-~]([ -'*-~]*[!-'*-~])?")  # printable ASCII without parentheses
_USELESS_IN_A_BROWSER = {"contact": "is read in a browser, which names itself"}
_USELESS_FOR_AN_API = {
    "driver": "needs no browser",
    "grid": "needs no browser",
    "headful": "needs no browser",
    "browsers": "is asked by one client at a time",
}
_LEAST = {
    "per_class": 1,
    "attempts": 1,
    "max_per_minute": 1,
    "browsers": 1,
    "pause": 0,
    "max_seconds": 1,
}
_ANYTHING = SearchOptions()


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
    engine: str = "google"
    """Where to search: google or bing in a browser, openverse or wikimedia-commons by their APIs."""
    search: SearchOptions = _ANYTHING
    search_url: str | None = None
    """Template of the results page, with {query}; any replica or mirror can stand in."""
    variants: Annotated[bool, Parameter(negative="")] = False
    """Search on for other sizes and ages when a query's own results end before --per-class."""
    browsers: int = 1
    """Browsers at work at once, each a class at a time; the pace stays that of one."""
    grid: str | None = None
    """Address of a Selenium Grid that runs the browsers, such as http://127.0.0.1:4444."""
    pause: float = 2.0
    """Seconds between page loads, varied by a quarter either way."""
    max_per_minute: int | None = None
    """Page loads in any minute, at most; by default 20, and no limit when --pause is 0."""
    attempts: int = 3
    """Times a result whose bytes could not be had is tried, over all runs."""
    max_seconds: float = 300.0
    """Seconds spent on one query, at most."""
    contact: str | None = None
    """Address by which an API's keepers can reach you; sent with every request to an API."""
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
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < inf:
                flag = "--" + name.replace("_", "-")
                raise SettingsError(f"{flag} is {value}", cure=f"give {flag} {least} or more")
        url, grid = self.search_url, self.grid
        if url is not None and not (_is_url(url) and "{query}" in url):
            raise SettingsError(
                f"--search-url {url!r} is no template of a results page",
                cure="give one such as 'http://127.0.0.1:8099/search?q={query}'",
            )
        if grid is not None and not _is_url(grid):
            raise SettingsError(
                f"--grid {grid!r} is no address of a Selenium Grid",
                cure="give one such as http://127.0.0.1:4444",
            )
        _check_engine(self)

    @property
    def loads_per_minute(self) -> int | None:
        """Return the most page loads in any minute; None for any number."""
        if self.max_per_minute is None and self.pause > 0:
            return GENTLE_PER_MINUTE
        return self.max_per_minute


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AddSettings(FileLimits):
    """Which folders to adopt, and where."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder; made when missing."""
    classes: Path | None = None
    """A class list; a folder outside it is refused."""


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_engine(settings: ScrapeSettings) -> None:
    engine = ENGINES.get(settings.engine)
    if engine is None:
        raise SettingsError(
            f"--engine {settings.engine!r} does not exist",
            cure=f"give --engine one of {', '.join(ENGINES)}",
        )
    engine.check(settings.search.requested())
    in_a_browser = isinstance(engine, ResultsPage)
    useless = _USELESS_IN_A_BROWSER if in_a_browser else _USELESS_FOR_AN_API
    for name, why in useless.items():
        _refuse_useless(settings, name, f"engine {engine.name} {why}")
    if settings.grid is not None:
        _refuse_useless(settings, "driver", "a Grid has its own drivers")
    if settings.contact is not None and not CONTACT.fullmatch(settings.contact):
        raise SettingsError(
            f"--contact {settings.contact!r} cannot be sent: only plain text without parentheses can",
            cure="give an e-mail address or the address of a page about you",
        )


def _refuse_useless(settings: ScrapeSettings, name: str, why: str) -> None:
    """Refuse an option that would do nothing."""
    given = getattr(settings, name)
    if given != ScrapeSettings.__dataclass_fields__[name].default:
        shown = "" if given is True else f" {given}"
        raise SettingsError(f"--{name}{shown}: {why}", cure=f"leave --{name} out")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """What to see to."""

    install_browser: Annotated[bool, Parameter(negative="")] = False
    """Install Debian's chromium and chromium-driver when no browser fits and we are root."""
