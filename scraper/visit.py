"""Visit one address: open it with patience, harvest it, store what it shows."""

from dataclasses import dataclass, field
from time import monotonic

from scraper.equipment import Equipment
from scraper.found import Found
from scraper.harvest import (
    Refused,
    ResultsReader,
    StopReason,
    TryLater,
    Unreachable,
    harvest,
)
from scraper.outcome import ClassResult
from scraper.page_state import PageState
from scraper.politeness import backoff
from scraper.previews import Fetched, fetch
from scraper.report import keep_page
from scraper.run import Run, Search

TRIES_TO_REACH = 3
REFUSED_PREVIEWS = 3
UNANSWERED_PREVIEWS = 10
_REFUSALS = frozenset({429, 503})
Arrival = PageState | StopReason


@dataclass
class Visit:
    """One visit to the address of a search; it may be made again with another reader.

    `trouble` says what was met.
    """

    run: Run
    equipment: Equipment
    search: Search
    result: ClassResult
    trouble: str = ""
    _refused: int = field(default=0, init=False)
    _unanswered: int = field(default=0, init=False)

    def make(self) -> StopReason:
        """Open the page and harvest it. Raises BrowserLost."""
        self.search.begin()
        self.trouble, self._refused, self._unanswered = "", 0, 0
        reader = self.equipment.reader()
        state = self._open(reader)
        if state == "results":
            try:
                state = self._harvest(reader)
            except Refused as error:
                state, self.trouble = "blocked", f"{self.search.address}: {error}"
        self._explain(state, reader)
        return state

    def _open(self, reader: ResultsReader) -> Arrival:
        """Load a page at a gentle pace, again when nothing answers or patience is asked for."""
        reason: Arrival = "unreachable"
        wait: float | None
        for attempt in range(TRIES_TO_REACH):
            self.run.pace.before_load()
            if self.run.halt.reason:
                return self.run.halt.reason
            try:
                return reader.open(self.search.address)
            except Unreachable as error:
                reason, wait = "unreachable", float(attempt)
                self.trouble = f"nothing answers at {self.search.address}: {error}"
            except TryLater as asked:
                reason = "blocked"
                wait = backoff(asked.seconds, attempt, self.run.settings.pause)
                self.trouble = f"{self.search.address} {asked}"
            last = attempt == TRIES_TO_REACH - 1
            if wait is None or last or monotonic() + wait > self.search.deadline:
                break
            self.run.nap(wait)
        return reason

    def _harvest(self, reader: ResultsReader) -> StopReason:
        store = self.search.store
        left = max(0.0, self.search.deadline - monotonic())

        def keep(found: tuple[Found, ...]) -> int:
            kept = store.keep(found, lambda src: self._fetched(reader, src), self._stop_storing)
            self.search.bar.advance(kept)
            return store.wanted

        def must_stop() -> bool:
            return bool(self.run.halt) or self._stop_storing()

        reason = harvest(reader, keep, monotonic, left, must_stop, note=self.result.note)
        return self._why_cut() if reason == "interrupted" else reason

    def _why_cut(self) -> StopReason:
        if self._refused >= REFUSED_PREVIEWS:
            self.trouble = f"{self.search.address}: previews are refused"
            return "blocked"
        if self._unanswered >= UNANSWERED_PREVIEWS:
            self.trouble = f"{self.search.address}: previews are not answered any more"
            return "unreachable"
        return self.run.halt.reason or "budget"

    def _fetched(self, reader: ResultsReader, src: str) -> Fetched:
        """Fetch a preview; count refusals, and requests without an answer, in a row."""
        fetched = fetch(src, (reader.body, self.equipment.downloader()))
        status, failed = fetched.http_status, fetched.data is None
        self._refused = self._refused + 1 if failed and status in _REFUSALS else 0
        silent = failed and status is None and fetched.reason == "http_error"
        self._unanswered = self._unanswered + 1 if silent else 0
        return fetched

    def _previews_end(self) -> bool:
        return self._refused >= REFUSED_PREVIEWS or self._unanswered >= UNANSWERED_PREVIEWS

    def _stop_storing(self) -> bool:
        """Say whether to leave even results that are here already: not for a block elsewhere."""
        late = monotonic() > self.search.deadline
        return late or self.run.halt.asked or self._previews_end()

    def _explain(self, state: Arrival, reader: ResultsReader) -> None:
        """Say what the page showed in place of results; keep one that cannot be read."""
        if state in {"consent", "nothing found", "layout unknown", "blocked"} and not self.trouble:
            self.trouble = f"{self.search.address} shows no results: {state}"
        if state == "layout unknown":
            slug = self.search.scene_class.slug
            place = keep_page(self.run.dataset, slug, *reader.snapshot())
            self.run.say(f"the page is kept at {place} for whoever mends the selectors")
