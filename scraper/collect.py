"""Run a scrape: every class, every query, one browser, resumable at any moment."""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import monotonic, sleep

from pipeline.class_list import SceneClass, read_class_list
from pipeline.dataset import Dataset, create_dataset, run_lock
from pipeline.errors import BrowserMissingError
from pipeline.manifest import Manifest, now
from pipeline.progress import Bar, Bars, Outcome, Output, Stopwatch, progress_bars
from pipeline.signals import StopRequest, stop_on_request
from scraper.engines import BROWSER_ENGINES
from scraper.engines.results_page import ResultsPage
from scraper.harvest import (
    BrowserLost,
    Found,
    ResultsReader,
    StopReason,
    Unreachable,
    harvest,
)
from scraper.launch import start_browser, versions
from scraper.outcome import combined, ends_the_run, scrape_outcome
from scraper.page_state import PageState
from scraper.politeness import Pace
from scraper.previews import Fetched, Source, fetch
from scraper.report import keep_page, write_report
from scraper.settings import ScrapeSettings
from scraper.storing import ClassStore, Refused

TRIES_TO_REACH = 3
BROWSERS_PER_CLASS = 2
_DEFAULTS = ScrapeSettings()


def scrape(*, settings: ScrapeSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Collect search previews of every class into a data set; run again to go on."""
    classes = read_class_list(settings.classes)
    dataset = create_dataset(settings.dataset)
    watch = Stopwatch()
    with run_lock(dataset.root, "scrape"), Manifest(dataset.manifest_path) as manifest:
        dataset.sweep_raw()
        ids = manifest.adopt_classes(classes)
        run_id = manifest.start_run("scrape", asdict(settings), versions())
        with stop_on_request() as stop, progress_bars(output) as bars:
            run = ScrapeRun(settings, dataset, manifest, run_id, stop, output.say)
            try:
                reasons = run.collect(classes, ids, bars)
            finally:
                run.close()
        outcome = scrape_outcome(
            dataset=dataset.root,
            counts={c.name: manifest.sighting_counts().get(ids[c.name], {}) for c in classes},
            reasons=reasons,
            added=run.added,
            seconds=watch.total,
            signal_number=stop.signal_number,
            trouble=run.trouble,
        )
        manifest.finish_run(run_id, combined(reasons.values()), outcome.summary)
        write_report(dataset, manifest, outcome.summary, settings.engine)
    return outcome


@dataclass
class ScrapeRun:
    """One run's state: its browser, its pace and what it added."""

    settings: ScrapeSettings
    dataset: Dataset
    manifest: Manifest
    run_id: int
    stop: StopRequest
    say: Callable[[str], None]
    new_browser: Callable[[ScrapeSettings, ResultsPage], ResultsReader] = start_browser
    added: int = 0
    trouble: str = ""
    _browser: ResultsReader | None = None
    _started: bool = False
    _download: Source | None = None
    _pace: Pace = field(init=False)
    _engine: ResultsPage = field(init=False)
    _refused: Refused = field(init=False)

    def __post_init__(self) -> None:
        """Set the pace and load what must never come back."""
        settings = self.settings
        jitter = random.Random(settings.seed)  # noqa: S311  pauses, not secrets
        self._pace = Pace(settings.pause, settings.loads_per_minute, monotonic, self._nap, jitter)
        self._engine = BROWSER_ENGINES[settings.engine]
        self._refused = Refused.of(self.manifest.tombstones())

    def collect(
        self, classes: tuple[SceneClass, ...], ids: dict[str, int], bars: Bars
    ) -> dict[str, StopReason]:
        """Collect each class in turn; return why each one ended."""
        if self.settings.search_url is None:
            self.say(self._engine.terms)
        reasons: dict[str, StopReason] = {}
        for scene_class in classes:
            last = next(reversed(reasons.values()), None)
            if last is not None and ends_the_run(last):
                reasons[scene_class.name] = last
                continue
            store = self._store(ids[scene_class.name])
            bar = bars.add(scene_class.name, total=store.wanted)
            reason = self._collect_class(scene_class, store, bar)
            reasons[scene_class.name] = reason
            self.added += store.added
            bar.finish(reason)
            if not bars.visible:
                self.say(f"{scene_class.name}: {store.added} new, {reason}")
        return reasons

    def close(self) -> None:
        """End the browser."""
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.close()

    def _store(self, class_id: int) -> ClassStore:
        return ClassStore(
            dataset=self.dataset,
            manifest=self.manifest,
            engine=self._engine.name,
            class_id=class_id,
            run_id=self.run_id,
            target=self.settings.per_class,
            fresh=not self.settings.resume,
            attempts=self.settings.attempts,
            refused=self._refused,
            now=now,
            interrupted=self._asked,
        )

    def _collect_class(self, scene_class: SceneClass, store: ClassStore, bar: Bar) -> StopReason:
        reasons: list[StopReason] = []
        for query in scene_class.queries:
            if store.wanted <= 0:
                break
            reasons.append(self._with_fresh_browsers(scene_class, query, store, bar))
            if ends_the_run(reasons[-1]):
                break
        return "target reached" if store.wanted <= 0 else combined(reasons)

    def _with_fresh_browsers(
        self, scene_class: SceneClass, query: str, store: ClassStore, bar: Bar
    ) -> StopReason:
        for _ in range(BROWSERS_PER_CLASS):
            try:
                return self._collect_query(scene_class, query, store, bar)
            except BrowserLost as error:
                self.trouble = f"the browser was lost: {error}"
                self.say(self.trouble)
                self.close()
            if self.stop:
                return "interrupted"
        return "browser lost"

    def _collect_query(
        self, scene_class: SceneClass, query: str, store: ClassStore, bar: Bar
    ) -> StopReason:
        browser = self._running_browser()
        url = self._engine.address(query, template=self.settings.search_url)
        state = self._open(browser, url)
        if state is None:
            return "interrupted" if self.stop else "unreachable"
        if state != "results":
            self._explain(state, scene_class, browser, url)
            return state
        sources = (browser.body, self._polite_request(browser))

        def fetch_one(src: str) -> Fetched:
            return fetch(src, sources)

        def keep(found: tuple[Found, ...]) -> int:
            bar.advance(store.keep(found, fetch_one))
            return store.wanted

        store.begin(query)
        reason = harvest(browser, keep, monotonic, self.settings.max_seconds, self._asked)
        if reason == "layout unknown":
            self._explain(reason, scene_class, browser, url)
        return reason

    def _running_browser(self) -> ResultsReader:
        """Start a browser when none runs; one that never came up at all ends the run."""
        if self._browser is None:
            try:
                self._browser = self.new_browser(self.settings, self._engine)
            except BrowserLost as error:
                if self._started:
                    raise
                raise BrowserMissingError(
                    f"the browser does not start: {error}",
                    cure="sceneset doctor says what is installed; --driver PATH takes another",
                ) from error
        self._started = True
        return self._browser

    def _asked(self) -> bool:
        return bool(self.stop)

    def _nap(self, seconds: float) -> None:
        """Sleep in slices, so that a request to stop is heard at once."""
        end = monotonic() + seconds
        while not self.stop and monotonic() < end:
            sleep(min(0.1, max(0.0, end - monotonic())))

    def _open(self, browser: ResultsReader, url: str) -> PageState | None:
        for attempt in range(TRIES_TO_REACH):
            self._pace.before_load()
            if self.stop:
                return None
            try:
                return browser.open(url)
            except Unreachable as error:
                self.trouble = f"nothing answers at {url}: {error}"
                self._nap(attempt)
        return None

    def _polite_request(self, browser: ResultsReader) -> Source:
        if self._download is None:
            from scraper.download import Downloader  # noqa: PLC0415  requests loads here only

            self._download = Downloader(browser.user_agent)
        return self._download

    def _explain(
        self, state: str, scene_class: SceneClass, browser: ResultsReader, url: str
    ) -> None:
        self.trouble = f"{url} shows no results: {state}"
        if state != "layout unknown":
            return
        place = keep_page(self.dataset, scene_class.slug, *browser.snapshot())
        self.say(f"the page is kept at {place} for whoever mends the selectors")
