"""Scroll one results page to its end: collect, decide, stop.

The reader comes in as an argument; the decision to go on is a pure function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scraper.engines.engine import Found
from scraper.reader import ResultsReader, Stretch

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
