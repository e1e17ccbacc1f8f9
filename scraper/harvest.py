"""Scroll one results page to its end: collect, decide, stop.

The reader comes in as an argument; the decision to go on is a pure function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from scraper.found import Found
from scraper.page_state import PageState
from scraper.previews import Fetched

StopReason = Literal[
    "target reached",
    "end of results",
    "stalled",
    "budget",
    "nothing found",
    "blocked",
    "consent",
    "layout unknown",
    "unreachable",
    "browser lost",
    "interrupted",
]
QUIET_STEPS = 3
VAIN_CLICKS = 4
BUSY_STEPS = 8
LOST_STEPS = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one scrolled stretch of the page gave.

    `unloaded` are results whose thumbnail still waits; their `src` is what the page's own
    id-to-address map says. `retrying` says that some of them may still load, `busy` that the page
    waits for an answer, `last_resort` that only a last resort found the results.
    """

    found: tuple[Found, ...]
    unloaded: tuple[Found, ...]
    at_bottom: bool
    grew: bool
    clicked: bool
    end_shown: bool
    strategy: str
    busy: bool = False
    retrying: bool = False
    last_resort: bool = False


class ResultsReader(Protocol):
    """What harvesting needs of a browser, or of the client of an API."""

    @property
    def user_agent(self) -> str:
        """Return the user agent that its requests carry."""

    def open(self, url: str) -> PageState:
        """Load a page and say what it is. Raises Unreachable, TryLater or BrowserLost."""

    def stretch(self) -> Stretch:
        """Scroll one stretch and report it. Raises Refused or BrowserLost."""

    def body(self, url: str) -> Fetched | None:
        """Return the bytes that were received for an address, None when it was never asked for."""

    def snapshot(self) -> tuple[str, bytes]:
        """Return the page's text and a PNG of it, which is empty when nothing can be drawn."""

    def close(self) -> None:
        """End what was started."""


class Unreachable(Exception):  # noqa: N818  a state of the world, named as the manifest names it
    """Nothing answers at the address."""


class TryLater(Exception):  # noqa: N818  the same
    """The server asks for patience; `seconds` is its Retry-After, 0 when it names none."""

    def __init__(self, seconds: float) -> None:
        """Keep how long it asks to wait."""
        super().__init__(f"asked to wait {seconds:g} s")
        self.seconds = seconds


class Refused(Exception):  # noqa: N818  the same
    """The server refuses to go on in the middle of its results."""


class BrowserLost(Exception):  # noqa: N818  the same
    """The browser or its driver died or hangs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a harvest is: pictures still wanted, steps without news, seconds spent."""

    wanted: int
    quiet_steps: int
    seconds: float


def why_stop(progress: Progress, stretch: Stretch, max_seconds: float) -> StopReason | None:
    """Say why to stop after a stretch, or None to go on.

    The end counts as reached when it is shown, the page waits for nothing and no thumbnail may
    still load, or when nothing came for several steps and nothing is left to click. An answer that
    never comes, or a control that is clicked in vain, is a stall.
    """
    if progress.wanted <= 0:
        return "target reached"
    if progress.seconds > max_seconds:
        return "budget"
    patience = _patience(stretch)
    if patience is not None:
        return "stalled" if progress.quiet_steps >= patience else None
    ended = stretch.end_shown and not stretch.retrying
    return "end of results" if ended or progress.quiet_steps >= QUIET_STEPS else None


def _patience(stretch: Stretch) -> int | None:
    """Return how many steps without news to bear while more may come, None when nothing may."""
    if not stretch.at_bottom or stretch.grew:
        return LOST_STEPS
    if stretch.busy:
        return BUSY_STEPS
    return VAIN_CLICKS if stretch.clicked else None


def harvest(
    reader: ResultsReader,
    keep: Callable[[tuple[Found, ...]], int],
    clock: Callable[[], float],
    max_seconds: float,
    interrupted: Callable[[], bool],
    *,
    note: Callable[[Stretch], None] = lambda _stretch: None,
) -> StopReason:
    """Work through a loaded results page and return why it ended.

    `keep` stores the results of a stretch and returns how many pictures are still wanted; `note`
    is told of every stretch.
    Thumbnails that the page never loaded are handed over last, with their mapped address. A page
    that was taken for results but gives not one is of an unknown layout.
    """
    began = clock()
    quiet = 0
    seen: set[str] = set()
    while True:
        stretch = reader.stretch()
        note(stretch)
        known = len(seen)
        seen.update(found.result_id for found in (*stretch.found, *stretch.unloaded))
        wanted = keep(stretch.found)
        quiet = 0 if stretch.found or len(seen) > known else quiet + 1
        if interrupted():
            return "interrupted"
        reason = why_stop(Progress(wanted, quiet, clock() - began), stretch, max_seconds)
        if reason in {"end of results", "stalled"} and stretch.unloaded:
            wanted = keep(stretch.unloaded)
            if interrupted():
                return "interrupted"
            reason = "target reached" if wanted <= 0 else reason
        if reason is not None:
            return reason if seen else "layout unknown"
