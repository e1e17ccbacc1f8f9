"""Read one results page to its end: batches of results, and the decision to stop.

The reader and the clock come in as arguments; the decision is a pure function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal

from scraper.reader import ResultBatch, ResultsReader

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


def why_stop(
    batch: ResultBatch, *, wanted: int, quiet_steps: int, is_late: bool
) -> StopReason | None:
    """Return why to stop after a batch, or None to go on.

    `wanted` pictures are still wanted, `quiet_steps` steps brought no news. The end counts as reached when it is shown, the page waits for nothing and no thumbnail may
    still load, or when nothing came for several steps and nothing is left to click. An answer that
    never comes, or a control that is clicked in vain, is a stall.
    """
    if wanted <= 0:
        return "target reached"
    if is_late:
        return "budget"
    patience = _patience(batch)
    if patience is not None:
        return "stalled" if quiet_steps >= patience else None
    ended = batch.end_shown and not batch.retrying
    return "end of results" if ended or quiet_steps >= QUIET_STEPS else None


def _patience(batch: ResultBatch) -> int | None:
    """Return how many steps without news to bear while more may come, None when nothing may."""
    if not batch.at_bottom or batch.grew:
        return LOST_STEPS
    if batch.busy:
        return BUSY_STEPS
    return VAIN_CLICKS if batch.clicked else None


@dataclass
class Harvest:
    """Iterate over the batches of a loaded results page; `reason` then says why they ended.

    The consumer sets `wanted`, the pictures still wanted, after each batch. Results whose thumbnail
    never loaded come in a batch of their own at the end. A page that was taken for results but
    gives none is of an unknown layout. `deadline` is a time of the clock, in s.
    """

    reader: ResultsReader
    wanted: int
    deadline: float
    clock: Callable[[], float] = monotonic
    reason: StopReason | None = None

    def __iter__(self) -> Iterator[ResultBatch]:
        """Yield batches until there is a reason to stop. Raises AccessDenied or BrowserLost."""
        seen: set[str] = set()
        quiet_steps = 0
        while self.reason is None:
            batch = self.reader.next_batch()
            fresh = {r.result_id for r in (*batch.results, *batch.unloaded)} - seen
            seen |= fresh
            quiet_steps = 0 if batch.results or fresh else quiet_steps + 1
            yield batch
            self.reason = why_stop(
                batch,
                wanted=self.wanted,
                quiet_steps=quiet_steps,
                is_late=self.clock() > self.deadline,
            )
            if self.reason in {"end of results", "stalled"} and batch.unloaded:
                yield replace(batch, results=batch.unloaded, unloaded=())
                self.reason = "target reached" if self.wanted <= 0 else self.reason
        if not seen and self.reason != "budget":
            self.reason = "layout unknown"
