"""Collect one class at a time with one reader: its queries, their variants, lost browsers."""

from time import monotonic

from pipeline.class_list import SceneClass
from pipeline.errors import BrowserMissingError
from pipeline.manifest import Manifest, now
from pipeline.progress import Bar
from scraper.found import Found
from scraper.harvest import BrowserLost, ResultsReader, StopReason, TryLater, Unreachable, harvest
from scraper.outcome import ClassResult, combined
from scraper.page_state import PageState
from scraper.politeness import backoff
from scraper.previews import Source, fetch
from scraper.report import keep_page
from scraper.run import Run, Search
from scraper.storing import ClassStore

TRIES_TO_REACH = 3
LOST_IN_A_ROW = 3
Arrival = PageState | StopReason
_CURES = {
    False: "sceneset doctor says what is installed; --driver PATH takes another",
    True: "see that a Grid runs there and has a browser to give, or leave --grid out",
}
_PAGE_TROUBLES = frozenset({"consent", "nothing found", "layout unknown", "blocked"})


class Worker:
    """One reader that collects a class at a time; a lost browser is replaced."""

    def __init__(self, run: Run, manifest: Manifest) -> None:
        """Start nothing yet. `manifest` must belong to this thread."""
        self._run = run
        self._manifest = manifest
        self._reader: ResultsReader | None = None
        self._started = False
        self._downloader: Source | None = None
        self._deadline = 0.0
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
            interrupted=self._must_stop,
        )

    def collect(self, scene_class: SceneClass, store: ClassStore, bar: Bar) -> ClassResult:
        """Collect a class; return how it ended."""
        self._result = result = ClassResult()
        reasons: list[StopReason] = []
        for query in scene_class.queries:
            if store.wanted <= 0 or self._run.halt:
                break
            reasons.append(self._collect_query(scene_class, query, store, bar))
        result.reason = "target reached" if store.wanted <= 0 else combined(reasons)
        if self._run.halt and store.wanted > 0:
            result.reason = self._run.halt.reason or result.reason
        result.added = store.added
        return result

    def close(self) -> None:
        """End the reader."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _collect_query(
        self, scene_class: SceneClass, query: str, store: ClassStore, bar: Bar
    ) -> StopReason:
        """Work through a query, then its variants while they bring anything new."""
        resume = self._run.settings.resume
        finished = self._manifest.finished_addresses(store.engine, store.class_id)
        reasons: list[StopReason] = []
        for number, address in enumerate(self._run.addresses(query)):
            if resume and address in finished and not store.owes:
                reasons.append("end of results")
                continue
            before = store.new_results
            store.begin(query)
            search = Search(scene_class, store, bar, address, is_variant=number > 0)
            reasons.append(self._with_fresh_browsers(search))
            if reasons[-1] != "end of results" or store.wanted <= 0:
                break
            self._manifest.finish_query(store.engine, store.class_id, address, self._run.run_id)
            if search.is_variant and store.new_results == before:
                break
        return combined(reasons)

    def _with_fresh_browsers(self, search: Search) -> StopReason:
        lost = 0
        while lost < LOST_IN_A_ROW:
            before = search.store.new_results
            try:
                return self._read(search)
            except BrowserLost as error:
                lost = 1 if search.store.new_results > before else lost + 1
                self._result.trouble = f"the browser was lost: {error}"
                self._run.say(f"{search.scene_class.name}: {self._result.trouble}")
                self.close()
            if self._run.halt.reason:
                return self._run.halt.reason
        return "browser lost"

    def _read(self, search: Search) -> StopReason:
        """Open the page of a search and harvest it."""
        settings, store = self._run.settings, search.store
        reader = self._running_reader()
        self._result.trouble = ""
        self._deadline = monotonic() + settings.max_seconds
        state = self._open(reader, search.address)
        if state != "results":
            self._explain(state, search, reader)
            return state
        sources = (reader.body, self._polite_request(reader))
        before = store.new_results
        stale = False

        def keep(found: tuple[Found, ...]) -> int:
            nonlocal stale
            search.bar.advance(store.keep(found, lambda src: fetch(src, sources)))
            stale = search.is_variant and bool(found) and store.new_results == before
            return store.wanted

        def must_stop() -> bool:
            return stale or self._must_stop()

        reason = harvest(
            reader, keep, monotonic, settings.max_seconds, must_stop, note=self._result.note
        )
        if reason == "interrupted":
            return self._run.halt.reason or ("end of results" if stale else "budget")
        if reason == "layout unknown":
            self._explain(reason, search, reader)
        return reason

    def _running_reader(self) -> ResultsReader:
        """Start a reader when none runs; one that never came up at all ends the run."""
        if self._reader is None:
            try:
                self._reader = self._run.launcher.new_reader()
            except BrowserLost as error:
                if self._started:
                    raise
                raise BrowserMissingError(
                    f"the browser does not start: {error}",
                    cure=_CURES[bool(self._run.settings.grid)],
                ) from error
        self._started = True
        return self._reader

    def _must_stop(self) -> bool:
        return bool(self._run.halt) or monotonic() > self._deadline

    def _open(self, reader: ResultsReader, url: str) -> Arrival:
        """Load a page at a gentle pace, again when nothing answers or patience is asked for."""
        reason: Arrival = "unreachable"
        for attempt in range(TRIES_TO_REACH):
            self._run.pace.before_load()
            if self._run.halt.reason:
                return self._run.halt.reason
            try:
                return reader.open(url)
            except Unreachable as error:
                reason = "unreachable"
                self._result.trouble = f"nothing answers at {url}: {error}"
                self._run.nap(attempt)
            except TryLater as asked:
                reason = "blocked"
                self._result.trouble = f"{url} {asked}"
                wait = backoff(asked.seconds, attempt, self._run.settings.pause)
                if wait is None:
                    break
                self._run.nap(wait)
        return reason

    def _polite_request(self, reader: ResultsReader) -> Source:
        if self._downloader is None:
            self._downloader = self._run.launcher.new_downloader(reader.user_agent)
        return self._downloader

    def _explain(self, state: str, search: Search, reader: ResultsReader) -> None:
        if state not in _PAGE_TROUBLES:
            return
        self._result.trouble = self._result.trouble or f"{search.address} shows no results: {state}"
        if state != "layout unknown":
            return
        place = keep_page(self._run.dataset, search.scene_class.slug, *reader.snapshot())
        self._run.say(f"the page is kept at {place} for whoever mends the selectors")
