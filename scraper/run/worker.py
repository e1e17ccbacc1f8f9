"""Collect one class: its queries, their variants, lost browsers, what need not be loaded again."""

from dataclasses import dataclass, field
from time import monotonic

from sceneset.class_list import SceneClass
from sceneset.errors import BrowserMissingError
from sceneset.manifest.store import Manifest, now
from sceneset.progress import Bar
from scraper.engines.engine import Found
from scraper.http.previews import fetch
from scraper.http.rate_limit import backoff
from scraper.reader import (
    BrowserLost,
    Fetched,
    PageState,
    Refused,
    ResultsReader,
    TryLater,
    Unreachable,
)
from scraper.run.harvest import StopReason, harvest
from scraper.run.outcome import DONE, ClassResult, combined
from scraper.run.report import keep_page
from scraper.run.session import Download, Run, Search
from scraper.run.store import ClassStore

_CURES = {
    False: "sceneset doctor says what is installed; --driver PATH takes another",
    True: "see that a Grid runs there and has a browser to give, or leave --grid out",
}


class OneReaderFewer(Exception):  # noqa: N818  a state of the world, as BrowserLost is
    """A worker gets no reader while others have theirs."""


class Equipment:
    """One worker's reader and downloader."""

    def __init__(self, run: Run) -> None:
        """Start nothing yet."""
        self._run = run
        self._reader: ResultsReader | None = None
        self._downloader: Download | None = None
        self._started = False

    def reader(self) -> ResultsReader:
        """Return the reader, a new one when none runs.

        Raises BrowserLost when one that had run before does not come up again, OneReaderFewer when
        only other workers get theirs, BrowserMissingError when nobody does.
        """
        if self._reader is None:
            try:
                self._reader = self._run.launcher.new_reader()
            except BrowserLost as error:
                if self._started:
                    raise
                if self._run.launcher.has_started:
                    raise OneReaderFewer(str(error)) from error
                cure = _CURES[bool(self._run.settings.grid)]
                problem = f"the browser does not start: {error}"
                raise BrowserMissingError(problem, cure=cure) from error
        self._started = True
        return self._reader

    def downloader(self) -> Download:
        """Return the downloader; it carries the reader's user agent."""
        if self._downloader is None:
            self._downloader = self._run.launcher.new_downloader(self.reader().user_agent)
        return self._downloader

    def drop_reader(self) -> None:
        """End the reader; the next one is new."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """End both."""
        self.drop_reader()
        if self._downloader is not None:
            self._downloader.close()


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


LOST_IN_A_ROW = 3
_MEETS_EVERY_QUERY = frozenset({"blocked", "consent"})


class Worker:
    """Collect a class at a time with one reader; a lost browser is replaced."""

    def __init__(self, run: Run, manifest: Manifest) -> None:
        """Start nothing yet. `manifest` must belong to this thread."""
        self._run = run
        self._manifest = manifest
        self._equipment = Equipment(run)
        self._result = ClassResult()

    def store(self, class_id: int) -> ClassStore:
        """Return what is held and wanted of a class."""
        run = self._run
        return ClassStore(
            dataset=run.dataset,
            manifest=self._manifest,
            engine=run.engine.name,
            class_id=class_id,
            run_id=run.run_id,
            target=run.settings.per_class,
            fresh=not run.settings.resume,
            attempts=run.settings.attempts,
            refused=run.refused,
            now=now,
        )

    def collect(self, scene_class: SceneClass, store: ClassStore, bar: Bar) -> ClassResult:
        """Collect a class; return how it ended. Raises OneReaderFewer before anything is done."""
        self._result = result = ClassResult()
        reasons: list[StopReason] = []
        for query in scene_class.queries:
            if store.wanted <= 0:
                break
            if self._run.halt.reason:
                reasons.append(self._run.halt.reason)
                break
            reasons.append(self._collect_query(scene_class, query, store, bar))
            if reasons[-1] in _MEETS_EVERY_QUERY:
                self._run.halt.meet(reasons[-1])
        result.reason = "target reached" if store.wanted <= 0 else combined(reasons)
        result.added = store.added
        if set(reasons) <= DONE and store.wanted > 0:
            store.give_up_what_no_page_shows()
        return result

    def close(self) -> None:
        """End what it reads with."""
        self._equipment.close()

    def _collect_query(
        self, scene_class: SceneClass, query: str, store: ClassStore, bar: Bar
    ) -> StopReason:
        """Work through a query, then its variants while they bring anything new."""
        due = self._due(query, store)
        deadline = monotonic() + self._run.settings.max_seconds
        reasons: list[StopReason] = [] if due else ["end of results"]
        for number, address in due:
            search = Search(
                scene_class, query, address, store, bar, deadline=deadline, is_variant=number > 0
            )
            before = store.new_results
            reason = self._visit(search)
            fruitless = search.is_variant and reason == "nothing found"
            reasons.append("end of results" if fruitless else reason)
            if reasons[-1] != "end of results":
                break
            self._finish(store, address)
            if store.wanted <= 0:
                break
            if search.is_variant and not fruitless and store.new_results == before:
                for _, other in due:
                    self._finish(store, other)
                break
        return combined(reasons)

    def _due(self, query: str, store: ClassStore) -> list[tuple[int, str]]:
        """Return number and address of the searches of a query that have not given all they have."""
        addresses = list(enumerate(self._run.addresses(query)))
        if not self._run.settings.resume or store.owes:
            return addresses
        finished = self._manifest.finished_urls(store.engine, store.class_id)
        return [(number, address) for number, address in addresses if address not in finished]

    def _finish(self, store: ClassStore, address: str) -> None:
        self._manifest.finish_query(store.engine, store.class_id, address, self._run.run_id)

    def _visit(self, search: Search) -> StopReason:
        """Visit an address, again with a new browser when one is lost."""
        visit = Visit(self._run, self._equipment, search, self._result)
        reason: StopReason = "browser lost"
        lost = 0
        while lost < LOST_IN_A_ROW:
            before = search.store.new_results
            try:
                reason = visit.make()
                break
            except BrowserLost as error:
                lost = 1 if search.store.new_results > before else lost + 1
                visit.trouble = f"the browser was lost: {error}"
                self._run.say(f"{search.scene_class.name}: {visit.trouble}")
                self._equipment.drop_reader()
            if self._run.halt.reason:
                return self._run.halt.reason
        if reason not in DONE:
            self._result.trouble = self._result.trouble or visit.trouble
        return reason
