"""Collect one class: its queries, their variants, lost browsers, what need not be loaded again."""

from time import monotonic

from pipeline.class_list import SceneClass
from pipeline.manifest import Manifest, now
from pipeline.progress import Bar
from scraper.equipment import Equipment
from scraper.harvest import BrowserLost, StopReason
from scraper.outcome import DONE, ClassResult, combined
from scraper.run import Run, Search
from scraper.storing import ClassStore
from scraper.visit import Visit

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
        finished = self._manifest.finished_addresses(store.engine, store.class_id)
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
