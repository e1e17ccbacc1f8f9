"""Hold what the workers of one run share, and what one of them works on."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

from pipeline.class_list import SceneClass
from pipeline.dataset import Dataset
from pipeline.progress import Bar
from scraper.engines.engine import Engine
from scraper.halt import Halt
from scraper.harvest import ResultsReader
from scraper.politeness import Pace
from scraper.previews import Fetched
from scraper.settings import ScrapeSettings
from scraper.storing import ClassStore, Refused
from scraper.variants import variants_of


class Download(Protocol):
    """Fetch one preview with one polite request."""

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none."""

    def close(self) -> None:
        """Close the connections."""


class Readers(Protocol):
    """Where workers get what they read with."""

    @property
    def has_started(self) -> bool:
        """Say whether any reader came up in this run."""

    def new_reader(self) -> ResultsReader:
        """Start a reader of the engine. Raises BrowserMissingError or BrowserLost."""

    def new_downloader(self, user_agent: str) -> Download:
        """Return what fetches a preview with one polite request."""

    def end_all(self) -> None:
        """End every reader at once, whatever it is doing."""


@dataclass(frozen=True)
class Run:
    """What the workers of one run share."""

    settings: ScrapeSettings
    dataset: Dataset
    run_id: int
    engine: Engine
    refused: Refused
    pace: Pace
    halt: Halt
    say: Callable[[str], None]
    nap: Callable[[float], None]
    launcher: Readers

    def addresses(self, query: str) -> list[str]:
        """Return the address of a query and, when asked for, those of its variants."""
        settings = self.settings
        asked = settings.search.asked()
        plan = [asked, *variants_of(self.engine, asked)] if settings.variants else [asked]
        found = (self.engine.address(query, options, settings.search_url) for options in plan)
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Search:
    """One address to work through for one class, until a deadline on the monotonic clock, in s."""

    scene_class: SceneClass
    query: str
    address: str
    store: ClassStore
    bar: Bar
    _: KW_ONLY
    deadline: float
    is_variant: bool

    def begin(self) -> None:
        """Start counting ranks: at 1, or for a variant after what its query has shown so far."""
        self.store.begin(self.query, after_known=self.is_variant)
