"""Collect one class: its queries, their variants, lost browsers, what need not be loaded again."""

from dataclasses import dataclass, field
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING

from sceneset.class_list import SceneClass
from sceneset.errors import BrowserMissingError
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar
from scraper.engines.engine import variants_of
from scraper.http.previews import PreviewFetcher
from scraper.http.rate_limit import backoff
from scraper.page_state import PageState
from scraper.reader import AccessDenied, BrowserLost, ResultsReader, TryLater, Unreachable
from scraper.run.harvest import Harvest, StopReason
from scraper.run.report import DONE, ClassResult, combined, keep_page
from scraper.run.session import Run
from scraper.run.store import ClassStore

if TYPE_CHECKING:
    from scraper.http.client import Downloader

TRIES_TO_REACH = 3
LOST_IN_A_ROW = 3
_HITS_EVERY_QUERY = frozenset({"blocked", "consent"})
_CURES = {
    False: "sceneset doctor says what is installed; --driver PATH takes another",
    True: "see that a Grid runs there and has a browser to give, or leave --grid out",
}


class ReaderUnavailable(Exception):  # noqa: N818  a state of the world, as BrowserLost is
    """A worker gets no reader while others have theirs."""


@dataclass(kw_only=True)
class Visit:
    """Visits to one URL for one class, until a deadline on the monotonic clock, in s.

    Ranks count from 1, those of a variant from what its query has shown so far. `trouble` says what
    went wrong.
    """

    run: Run
    result: ClassResult
    scene_class: SceneClass
    query: str
    url: str
    store: ClassStore
    bar: Bar
    deadline: float
    is_variant: bool
    trouble: str = ""

    def make(self, reader: ResultsReader, downloader: "Downloader") -> StopReason:
        """Open the page and harvest it. Raises BrowserLost."""
        self.trouble = ""
        state = self._open(reader)
        if state == "results":
            try:
                state = self._harvest(reader, downloader)
            except AccessDenied as error:
                state, self.trouble = "blocked", f"{self.url}: {error}"
        if state in {"consent", "nothing found", "layout unknown", "blocked"} and not self.trouble:
            self.trouble = f"{self.url} shows no results: {state}"
        if state == "layout unknown":
            path = keep_page(self.run.dataset, self.scene_class.slug, *reader.snapshot())
            self.run.say(f"the page is kept at {path} for whoever mends the selectors")
        return state

    def _open(self, reader: ResultsReader) -> PageState | StopReason:
        """Load the page at a gentle rate, again when nothing answers or it is to be tried later."""
        reason: StopReason = "unreachable"
        wait: float | None
        for attempt in range(TRIES_TO_REACH):
            self.run.rate.acquire()
            if self.run.breaker.reason:
                return self.run.breaker.reason
            try:
                return reader.open(self.url)
            except Unreachable as error:
                reason, wait = "unreachable", float(attempt)
                self.trouble = f"nothing answers at {self.url}: {error}"
            except TryLater as error:
                reason, wait = "blocked", backoff(error.seconds, attempt, self.run.settings.pause)
                self.trouble = f"{self.url} {error}"
            last = attempt == TRIES_TO_REACH - 1
            if wait is None or last or monotonic() + wait > self.deadline:
                break
            self.run.breaker.sleep(wait)
        return reason

    def _harvest(self, reader: ResultsReader, downloader: "Downloader") -> StopReason:
        """Store the page's results, batch by batch. Raises AccessDenied or BrowserLost."""
        breaker = self.run.breaker
        previews = PreviewFetcher((reader.body, downloader))
        harvest = Harvest(reader, self.store.wanted, self.deadline)

        def may_store(_: object) -> bool:
            """Say whether to go on: a block elsewhere does not drop the results that are here."""
            is_late = monotonic() > self.deadline
            return not (is_late or breaker.reason == "interrupted" or previews.failure)

        for batch in harvest:
            self.result.note(batch)
            self.bar.advance(self.store.keep(takewhile(may_store, batch.results), previews.fetch))
            harvest.wanted = self.store.wanted
            if previews.failure:
                reason, problem = previews.failure
                self.trouble = f"{self.url}: {problem}"
                return reason
            if breaker.reason:
                return breaker.reason
        return harvest.reason or "end of results"


@dataclass
class Worker:
    """Collect a class at a time with one reader; a lost browser is replaced.

    `manifest` must belong to the worker's thread.
    """

    run: Run
    manifest: Manifest
    _reader: ResultsReader | None = None
    _downloader: "Downloader | None" = None
    _has_started: bool = False
    _result: ClassResult = field(default_factory=ClassResult)

    def store(self, class_id: int) -> ClassStore:
        """Return what is held and wanted of a class."""
        run = self.run
        return ClassStore(
            dataset=run.dataset,
            manifest=self.manifest,
            engine=run.engine.name,
            class_id=class_id,
            run_id=run.run_id,
            target=run.settings.per_class,
            fresh=not run.settings.resume,
            attempts=run.settings.attempts,
            tombstones=run.tombstones,
        )

    def collect(self, scene_class: SceneClass, store: ClassStore, bar: Bar) -> ClassResult:
        """Collect a class; return how it ended. Raises ReaderUnavailable before anything is done."""
        breaker = self.run.breaker
        self._result = result = ClassResult()
        reasons: list[StopReason] = []
        for query in scene_class.queries:
            if store.wanted <= 0:
                break
            if breaker.reason:
                reasons.append(breaker.reason)
                break
            reasons.append(self._collect_query(scene_class, query, store, bar))
            if reasons[-1] in _HITS_EVERY_QUERY:
                breaker.record(reasons[-1])
        result.reason = "target reached" if store.wanted <= 0 else combined(reasons)
        result.added = store.added
        if set(reasons) <= DONE and store.wanted > 0:
            store.count_unseen_attempts()
        return result

    def close(self) -> None:
        """Close what it reads with; the next reader is new."""
        reader, downloader = self._reader, self._downloader
        self._reader = self._downloader = None
        if reader is not None:
            reader.close()
        if downloader is not None:
            downloader.close()

    def _collect_query(
        self, scene_class: SceneClass, query: str, store: ClassStore, bar: Bar
    ) -> StopReason:
        """Work through a query, then its variants while they bring anything new."""
        pending = self._pending_urls(query, store)
        deadline = monotonic() + self.run.settings.max_seconds
        reasons: list[StopReason] = [] if pending else ["end of results"]
        for number, url in pending:
            visit = Visit(
                run=self.run,
                result=self._result,
                scene_class=scene_class,
                query=query,
                url=url,
                store=store,
                bar=bar,
                deadline=deadline,
                is_variant=number > 0,
            )
            before = store.new_results
            reason = self._visit(visit)
            fruitless = visit.is_variant and reason == "nothing found"
            reasons.append("end of results" if fruitless else reason)
            if reasons[-1] != "end of results":
                break
            self._finish(store, url)
            if store.wanted <= 0:
                break
            if visit.is_variant and not fruitless and store.new_results == before:
                for _, other in pending:
                    self._finish(store, other)
                break
        return combined(reasons)

    def _pending_urls(self, query: str, store: ClassStore) -> list[tuple[int, str]]:
        """Return number and URL of the searches of a query that have not given all they have."""
        settings, engine = self.run.settings, self.run.engine
        plan = [settings.search.requested()]
        if settings.variants:
            plan += variants_of(engine, plan[0])
        every = (engine.search_url(query, options, settings.search_url) for options in plan)
        urls = list(enumerate(dict.fromkeys(every)))
        if not settings.resume or store.has_due:
            return urls
        finished = self.manifest.finished_urls(store.engine, store.class_id)
        return [(number, url) for number, url in urls if url not in finished]

    def _finish(self, store: ClassStore, url: str) -> None:
        self.manifest.finish_query(store.engine, store.class_id, url, self.run.run_id)

    def _visit(self, visit: Visit) -> StopReason:
        """Visit a URL, again with a new browser when one is lost."""
        store, breaker = visit.store, self.run.breaker
        reason: StopReason = "browser lost"
        lost = 0
        while lost < LOST_IN_A_ROW:
            before = store.new_results
            store.begin(visit.query, after_known=visit.is_variant)
            try:
                reason = visit.make(*self._reading())
                break
            except BrowserLost as error:
                lost = 1 if store.new_results > before else lost + 1
                visit.trouble = f"the browser was lost: {error}"
                self.run.say(f"{visit.scene_class.name}: {visit.trouble}")
                self.close()
            if breaker.reason:
                return breaker.reason
        if reason not in DONE:
            self._result.trouble = self._result.trouble or visit.trouble
        return reason

    def _reading(self) -> "tuple[ResultsReader, Downloader]":
        """Return reader and downloader, new ones when none run; both carry one user agent."""
        if self._reader is None:
            self._reader = self._start_reader()
            self._has_started = True
        if self._downloader is None:
            self._downloader = self.run.new_downloader(self._reader.user_agent)
        return self._reader, self._downloader

    def _start_reader(self) -> ResultsReader:
        """Start a reader.

        Raises BrowserLost when one that had run before does not come up again, ReaderUnavailable
        when only other workers get theirs, BrowserMissingError when nobody does.
        """
        try:
            return self.run.new_reader()
        except BrowserLost as error:
            if self._has_started:
                raise
            if self.run.readers:
                raise ReaderUnavailable(str(error)) from error
            cure = _CURES[bool(self.run.settings.grid)]
            problem = f"the browser does not start: {error}"
            raise BrowserMissingError(problem, cure=cure) from error
