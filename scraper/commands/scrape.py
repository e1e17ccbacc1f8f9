"""Run a scrape: every class once, each by the next free browser, resumable at any moment."""

import platform
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict
from importlib import metadata
from queue import Empty, SimpleQueue

from sceneset.class_list import SceneClass, read_class_list
from sceneset.dataset import create_dataset, run_lock
from sceneset.manifest.provenance import source_of
from sceneset.manifest.store import Manifest
from sceneset.progress import Bars, Outcome, Output, Stopwatch, progress_bars
from sceneset.signals import stop_on_request
from scraper.engines import ENGINES
from scraper.run.report import ClassResult, finish_run
from scraper.run.session import CircuitBreaker, Run
from scraper.run.store import Tombstones
from scraper.run.worker import ReaderUnavailable, Worker
from scraper.settings import ScrapeSettings

_DEFAULTS = ScrapeSettings()


def scrape(*, settings: ScrapeSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Collect search previews of every class into a data set; run again to go on."""
    classes = read_class_list(settings.classes)
    dataset = create_dataset(settings.dataset)
    watch = Stopwatch()
    with run_lock(dataset.root, "scrape"), Manifest(dataset.manifest_path) as manifest:
        dataset.sweep_raw()
        ids = manifest.adopt_classes(classes)
        run_id = manifest.start_run("scrape", asdict(settings), _versions())
        with stop_on_request() as stop, progress_bars(output) as bars:
            run = Run(
                settings=settings,
                dataset=dataset,
                run_id=run_id,
                engine=ENGINES[settings.engine],
                tombstones=Tombstones.of(manifest.tombstones()),
                breaker=CircuitBreaker(stop),
                say=output.say,
            )
            if settings.search_url is None:
                output.say(run.engine.terms)
            results = collect(run, classes, ids, bars)
        return finish_run(
            manifest,
            run_id,
            results,
            engine=settings.engine,
            source=source_of(settings.engine, asdict(settings)),
            dataset=dataset,
            seconds=watch.total,
            signal_number=stop.signal_number,
            wanted=None if settings.variants else settings.per_class,
            fresh=not settings.resume,
        )


def collect(
    run: Run, classes: tuple[SceneClass, ...], ids: dict[str, int], bars: Bars
) -> dict[str, ClassResult]:
    """Collect the classes from one queue, a browser each; return how each class ended.

    The first exception of any browser ends them all and is raised.
    """
    todo: SimpleQueue[SceneClass] = SimpleQueue()
    for scene_class in classes:
        todo.put(scene_class)
    results: dict[str, ClassResult] = {}
    team = min(run.settings.browsers, len(classes))
    with ThreadPoolExecutor(team, thread_name_prefix="browser") as pool:
        try:
            workers = [pool.submit(_work, run, todo, ids, bars, results) for _ in range(team)]
            # Signals are heard while this waits for all, or for the first that raises.
            for future in wait(workers, return_when=FIRST_EXCEPTION).done:
                future.result()
            _work(run, todo, ids, bars, results)  # what a worker gave back after the others ended
        except BaseException:
            run.breaker.record("interrupted")
            run.close_all()
            raise
    left = ClassResult("browser lost", trouble="no browser started for it")
    return {scene_class.name: results.get(scene_class.name, left) for scene_class in classes}


def _work(
    run: Run,
    todo: SimpleQueue[SceneClass],
    ids: dict[str, int],
    bars: Bars,
    results: dict[str, ClassResult],
) -> None:
    """Collect classes until none is left; a run that must end gives the rest its reason.

    A worker that gets no browser gives its class back; the others go on without it.
    """
    with Manifest(run.dataset.manifest_path) as manifest:
        worker = Worker(run, manifest)
        try:
            while True:
                scene_class = todo.get_nowait()
                if run.breaker.reason:
                    results[scene_class.name] = ClassResult(run.breaker.reason)
                    continue
                try:
                    store = worker.store(ids[scene_class.name])
                    bar = bars.add(scene_class.name, total=store.wanted)
                    result = worker.collect(scene_class, store, bar)
                except ReaderUnavailable as error:
                    run.say(f"one browser fewer: {error}")
                    todo.put(scene_class)
                    return
                bar.finish(result.reason)
                if not bars.visible:
                    run.say(f"{scene_class.name}: {result.added} new, {result.reason}")
                results[scene_class.name] = result
                run.breaker.record(result.reason)
        except Empty:
            return
        finally:
            worker.close()


def _versions() -> dict[str, str]:
    """Return the versions of what a scrape depends on."""
    names = ("selenium", "requests", "pillow")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
