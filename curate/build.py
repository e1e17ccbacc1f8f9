"""Run curate: measure, decide, split, publish one version, report."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curate import duplicates, exports, features
from curate.conflicts import Reviewed, apply_overrides, key_of
from curate.decisions import Decisions, decide, unfit
from curate.duplicates import Link
from curate.features import Features
from curate.partition import Before, Partition, partition
from curate.publish import Publication, commit, prepare, write_version
from curate.report import Findings, report_data, write_report
from curate.settings import CurateSettings
from curate.summary import outcome_of, summarise
from pipeline.dataset import Dataset, open_dataset, run_lock
from pipeline.errors import InterruptedRunError, MissingInputError, UsageError
from pipeline.manifest import Manifest
from pipeline.progress import Bar, Bars, Outcome, Output, Stopwatch, progress_bars

_DEFAULTS = CurateSettings()
_LEAST_CLASSES = 2


def curate(*, settings: CurateSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Remove copies and unusable pictures, resize the rest, split it and publish a version.

    Raw pictures are never changed: what is left out is listed in the report and linked to from
    quarantine/. Pictures keep their split when the set grows.
    """
    dataset = open_dataset(settings.dataset)
    with run_lock(dataset.root, "curate"), Manifest(dataset.manifest_path) as manifest:
        number = exports.recover(dataset, _claimed(manifest))
        run_id = manifest.start_run(
            "curate", asdict(settings) | settings.shaping, features.versions()
        )
        with progress_bars(output) as bars:
            run = _Run(dataset, manifest, settings, bars, Stopwatch(), run_id)
            with _failure_recorded(manifest, run_id):
                findings = run.find()
                publication = run.publish(findings, number)
            summary = run.finish(findings, publication)
    return outcome_of(summary)


def _claimed(manifest: Manifest) -> set[int]:
    """Return the numbers of the versions that committed runs published."""
    counts: list[dict[str, Any]] = [run.counts or {} for run in manifest.runs("curate")]
    return {int(c["number"]) for c in counts if "number" in c}


@contextmanager
def _failure_recorded(manifest: Manifest, run_id: int) -> Iterator[None]:
    """Note in the manifest how a run ended that publishes nothing."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError):
        manifest.finish_run(run_id, "interrupted", {})
        raise
    except Exception:
        manifest.finish_run(run_id, "failed", {})
        raise


@dataclass(frozen=True)
class _Run:
    dataset: Dataset
    manifest: Manifest
    settings: CurateSettings
    bars: Bars
    watch: Stopwatch
    run_id: int

    def find(self) -> Findings:
        """Decide about every picture and part what is kept."""
        reviewed = self._reviewed()
        files = {p.sha256: self.dataset.root / p.path for p in reviewed.pictures}
        with self.watch.step("measure"):
            features.measure_missing(
                self.manifest, files, self.settings.executor, self._bar("measuring")
            )
            known = features.load(self.manifest, files)
        with self.watch.step("search"):
            links = self._links(reviewed, known, files)
        with self.watch.step("decide"):
            classes = {row.id: row for row in self.manifest.classes()}
            names = {row.id: row.name for row in classes.values()}
            decisions = decide(reviewed, known, links, self.settings, class_names=names)
        with self.watch.step("split"):
            parts = partition(decisions, links, self.settings, self._before())
            _check_splittable(decisions, parts)
        raw_paths = {p.sha256: p.path for p in self.manifest.kept_pictures()}
        return Findings(decisions, parts, raw_paths, classes)

    def publish(self, findings: Findings, number: int) -> Publication:
        """Write the version and record it, unless the newest version is just that."""
        publication = prepare(findings, self.settings, self.dataset.current, number)
        files = {s: self.dataset.root / path for s, path in findings.raw_paths.items()}
        if publication.fresh:
            with self.watch.step("publish"):
                write_version(
                    self.dataset,
                    publication,
                    self.settings,
                    files,
                    make_bar=self._bar("resizing"),
                )
        with self.watch.step("record"):
            commit(
                self.manifest,
                self.run_id,
                publication,
                findings.decisions.rows(self.run_id),
                class_ids={row.name: row.id for row in findings.classes.values()},
                counts=summarise(self.dataset, findings, publication, self.watch.seconds),
            )
        return publication

    def finish(self, findings: Findings, publication: Publication) -> dict[str, Any]:
        """Point readers to the version, remove old ones, link what was left out, report."""
        with self.watch.step("publish"):
            exports.point_to(self.dataset, publication.number)
            exports.prune(self.dataset, self.settings.keep_versions)
        with self.watch.step("report"):
            drops = findings.decisions.drops
            exports.write_quarantine(self.dataset, drops, findings.raw_paths, findings.classes)
            summary = summarise(self.dataset, findings, publication, self.watch.seconds)
            write_report(self.dataset, report_data(summary, findings))
        return summarise(self.dataset, findings, publication, self.watch.seconds)

    def _reviewed(self) -> Reviewed:
        pictures = self.manifest.kept_pictures()
        if not pictures:
            raise MissingInputError(
                f"{self.dataset.root} holds no pictures to curate",
                cure=f"sceneset scrape --dataset {self.dataset.root}, or sceneset add DIR",
            )
        return apply_overrides(pictures, self.manifest.latest_overrides())

    def _links(self, reviewed: Reviewed, known: Features, files: dict[str, Path]) -> list[Link]:
        out = unfit(reviewed.pictures, known, self.settings.min_side)
        usable = [p for p in reviewed.pictures if key_of(p) not in out]
        links = duplicates.find_links(
            {p.sha256 for p in usable},
            known,
            radius=self.settings.radius,
            leak_radius=self.settings.leak_radius,
            views=self.settings.views,
        )
        alike = duplicates.may_share_pixels(usable, known, links)
        digests = features.pixel_digests(
            self.manifest,
            {sha256: files[sha256] for sha256 in alike},
            self.settings.executor,
            self._bar("comparing"),
        )
        return duplicates.with_pixels(links, digests)

    def _before(self) -> Before:
        rows = self.manifest.last_splits()
        settings = {run.id: run.settings for run in self.manifest.runs("curate")}
        return Before(
            {(row.class_id, row.sha256): row.split for row in rows},
            settings.get(rows[0].run_id, {}) if rows else {},
        )

    def _bar(self, name: str) -> Callable[[int], Bar]:
        return lambda total: self.bars.add(name, total)


def _check_splittable(decisions: Decisions, parts: Partition) -> None:
    """Raise UsageError when fewer than two classes can be in every split."""
    classes = {p.class_id for p in decisions.kept}
    able = len(classes - parts.small)
    if able < _LEAST_CLASSES:
        dropped = ", ".join(f"{n} {reason}" for reason, n in decisions.counts().items())
        raise UsageError(
            f"{able} of {len(classes)} classes with pictures can be split; a classifier needs two"
            f" ({len(decisions.kept)} pictures kept, dropped: {dropped or 'nothing'})",
            cure="scrape or add more pictures: three distinct ones of a class at least",
        )
