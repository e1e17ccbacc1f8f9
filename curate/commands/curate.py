"""Run curate: measure, decide, split, publish one version, report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curate.decisions.conflicts import Drop, Key, Reviewed, apply_overrides, key_of
from curate.decisions.decisions import Decisions, Search, decide, unfit
from curate.decisions.search import memory_of, search
from curate.features import cache
from curate.features.cache import Closer, Features, find_damage
from curate.features.outliers import outliers
from curate.forget import versions
from curate.publish import version
from curate.publish.report import Findings, report_data, write_report
from curate.publish.version import (
    Publication,
    check_unclaimed,
    commit,
    prepare,
    write_version,
)
from curate.settings import CurateSettings
from curate.splits.assign import Partition, before, partition
from curate.splits.leakage_audit import audit, check
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import (
    OK,
    PARTIAL,
    DamagedDataError,
    InterruptedRunError,
    MissingInputError,
    UsageError,
)
from sceneset.manifest.rows import SPLITS
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar, Bars, Outcome, Output, Stopwatch, progress_bars

_NAMED = 8
_GROUPS_NAMED = 5


def summarise(
    dataset: Dataset, findings: Findings, publication: Publication, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return the run's JSON object."""
    decisions, parts = findings.decisions, findings.parts
    used = {p.class_id for p in decisions.kept}
    splits = Counter(p.split for p in publication.pictures)
    issues = Counter(issue for found in decisions.issues.values() for issue in found)
    return {
        "dataset": str(dataset.root),
        "version": publication.version,
        "number": publication.number,
        "published": publication.fresh,
        "images": publication_images(findings),
        "kept": len(decisions.kept),
        "dropped": decisions.counts(),
        "splits": {split: splits[split] for split in SPLITS},
        "leaks": sum(crossing.copies for crossing in findings.crossings),
        "near_pairs_apart": sum(not crossing.copies for crossing in findings.crossings),
        "largest_groups": largest_sizes(findings),
        "damaged": sorted(findings.raw_paths[s] for s in findings.damaged),
        "moved": len(parts.moved),
        "conflicts": len(decisions.conflicts),
        "issues": dict(sorted(issues.items())),
        "counts": publication.record["counts"],
        "small_classes": sorted(findings.classes[c].name for c in parts.small),
        "classes_without_pictures": sorted(
            row.name for row in findings.classes.values() if row.id not in used
        ),
        "seconds": dict(seconds),
    }


def publication_images(findings: Findings) -> int:
    """Return the number of pictures decided about, one under two classes counted twice."""
    return len(findings.decisions.kept) + len(findings.decisions.drops)


def largest_sizes(findings: Findings) -> list[int]:
    """Return the sizes of the five largest groups of look-alikes, of two pictures at least."""
    sizes = sorted(map(len, findings.parts.groups), reverse=True)
    return [size for size in sizes[:_GROUPS_NAMED] if size > 1]


def outcome_of(summary: Mapping[str, Any]) -> Outcome:
    """Return what the command ends with.

    Exit code 5 when raw files are missing or altered, 3 when classes are small or empty.
    """
    small, empty = summary["small_classes"], summary["classes_without_pictures"]
    damaged = summary["damaged"]
    problems = []
    if damaged:
        problems.append(f"{len(damaged)} raw files are missing or altered: {_names(damaged)}")
    if small:
        problems.append(f"too few pictures for every split, all in train: {_names(small)}")
    if empty:
        problems.append(f"without pictures: {_names(empty)}")
    return Outcome(
        summary,
        _lines(summary),
        exit_code=DamagedDataError.exit_code if damaged else PARTIAL if problems else OK,
        problem="; ".join(problems),
        cure=_cure(summary) if problems else "",
    )


def _cure(summary: Mapping[str, Any]) -> str:
    if summary["damaged"]:
        return "restore these files from a copy, or take them out with forget; then curate again"
    return "scrape or add more pictures of these classes, then curate again"


def _lines(summary: Mapping[str, Any]) -> tuple[str, ...]:
    dropped = ", ".join(f"{n} {reason}" for reason, n in summary["dropped"].items()) or "nothing"
    shares = ", ".join(f"{n} {split}" for split, n in summary["splits"].items())
    what = "published" if summary["published"] else "nothing changed since"
    report = f"{summary['dataset']}/reports/curate/index.html"
    lines = [
        f"{summary['images']} pictures: {summary['kept']} kept; dropped: {dropped}",
        f"{what} version {summary['number']} ({summary['version'][:12]}): {shares}",
        f"copies across splits: {summary['leaks']}; conflicts of classes: {summary['conflicts']}",
    ]
    if summary["largest_groups"]:
        sizes = ", ".join(map(str, summary["largest_groups"]))
        lines.append(f"largest groups of look-alikes: {sizes} pictures")
    if summary["moved"]:
        lines.append(f"{summary['moved']} pictures moved to another split: see the report")
    return (*lines, f"report: {report}")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


_DEFAULTS = CurateSettings()
_LEAST_CLASSES = 2


def curate(*, settings: CurateSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Remove copies and unusable pictures, resize the rest, split it and publish a version.

    Raw pictures are never changed: what is left out is listed in the report and linked to from
    quarantine/. Pictures keep their split when the set grows. A class taken out of classes.txt
    stays as long as the data set holds pictures of it.
    """
    dataset = Dataset.open(settings.dataset)
    with run_lock(dataset.root, "curate"), Manifest(dataset.manifest_path) as manifest:
        number = _recovered(dataset, manifest)
        run_id = manifest.start_run(
            "curate",
            asdict(settings) | settings.shaping,
            cache.versions(exact=settings.exact_hash),
        )
        with progress_bars(output) as bars:
            run = _Run(dataset, manifest, settings, bars, Stopwatch(), run_id)
            with _failure_recorded(manifest, run_id):
                findings = run.find()
                publication = run.publish(findings, number)
            summary = run.finish(findings, publication)
    return outcome_of(summary)


def _recovered(dataset: Dataset, manifest: Manifest) -> int:
    """Finish what a killed run left, and return the number of the next version."""
    versions.restore(dataset)
    counts: list[dict[str, Any]] = [run.counts or {} for run in manifest.runs("curate")]
    claimed = {int(c["number"]) for c in counts if "number" in c}
    check_unclaimed(dataset, claimed)
    return version.recover(dataset, claimed)


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
        with self.watch.step("measure"):
            files, damaged, known = self._measured(reviewed)
        with self.watch.step("search"):
            out = unfit(
                reviewed.pictures, known, self.settings.min_side, damaged, kept=reviewed.kept
            )
            found = self._search(reviewed, out, known, files)
        classes = {row.id: row for row in self.manifest.classes()}
        with self.watch.step("decide"):
            names = {row.id: row.name for row in classes.values()}
            decisions = decide(reviewed, known, found, self.settings, unfit=out, class_names=names)
        with self.watch.step("split"):
            stood = before(self.manifest, self.settings)
            parts = partition(decisions, found.links, self.settings, stood)
            _check_splittable(decisions, parts, len(damaged))
        with self.watch.step("audit"):
            crossings = audit(
                parts.split_of,
                known,
                found.digests,
                radius=self.settings.radius,
                leak_radius=self.settings.leak_radius,
                views=self.settings.views,
            )
            check(crossings)
        return Findings(
            decisions=decisions,
            parts=parts,
            links=found.links,
            crossings=crossings,
            damaged=damaged,
            outliers=outliers(self.dataset.root, parts.split_of),
            raw_paths={p.sha256: p.path for p in self.manifest.kept_pictures()},
            classes=classes,
            hashes=known.whole,
        )

    def _measured(self, reviewed: Reviewed) -> tuple[dict[str, Path], Mapping[str, str], Features]:
        """Return the files that are whole, what is wrong with the others, and the measures."""
        every = {p.sha256: self.dataset.root / p.path for p in reviewed.pictures}
        damaged = find_damage(every)
        files = {sha256: path for sha256, path in every.items() if sha256 not in damaged}
        exact, executor = self.settings.exact_hash, self.settings.executor
        cache.measure_missing(self.manifest, files, executor, self._bar("measuring"), exact=exact)
        return files, damaged, cache.load(self.manifest, files, exact=exact)

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
            version.point_to(self.dataset, publication.number)
            version.prune(self.dataset, self.settings.keep_versions)
        with self.watch.step("report"):
            drops = findings.decisions.drops
            version.write_quarantine(self.dataset, drops, findings.raw_paths, findings.classes)
            summary = summarise(self.dataset, findings, publication, self.watch.seconds)
            data = report_data(summary, findings, publication.pictures)
            write_report(self.dataset, data, self.settings.executor)
        return summarise(self.dataset, findings, publication, self.watch.seconds)

    def _reviewed(self) -> Reviewed:
        pictures = self.manifest.kept_pictures()
        if not pictures:
            raise MissingInputError(
                f"{self.dataset.root} holds no pictures to curate",
                cure=f"sceneset scrape --dataset {self.dataset.root}, or sceneset add DIR",
            )
        return apply_overrides(pictures, self.manifest.latest_overrides())

    def _search(
        self,
        reviewed: Reviewed,
        out: Mapping[Key, Drop],
        known: Features,
        files: Mapping[str, Path],
    ) -> Search:
        def look_closer(names: Iterable[str]) -> Closer:
            wanted = {sha256: files[sha256] for sha256 in names}
            executor = self.settings.executor
            return cache.closer(self.manifest, wanted, executor, self._bar("comparing"))

        usable = [p for p in reviewed.pictures if key_of(p) not in out]
        used = cache.algorithms(exact=self.settings.exact_hash)
        radii = (self.settings.radius, self.settings.leak_radius, self.settings.views)
        memory = memory_of(self.dataset.root / "cache", (*sorted(used.items()), *radii))
        return search(usable, known, self.settings, look_closer, kept=reviewed.kept, memory=memory)

    def _bar(self, name: str) -> Callable[[int], Bar]:
        return lambda total: self.bars.add(name, total)


def _check_splittable(decisions: Decisions, parts: Partition, damaged: int) -> None:
    """Raise when fewer than two classes can be in every split: for damage, or too few pictures."""
    classes = {p.class_id for p in decisions.kept}
    able = len(classes - parts.small)
    if able < _LEAST_CLASSES and damaged:
        raise DamagedDataError(
            f"{damaged} raw files are missing or altered; with the others no set can be made",
            cure="run verify; restore the files from a copy or scrape again",
        )
    if able < _LEAST_CLASSES:
        dropped = ", ".join(f"{n} {reason}" for reason, n in decisions.counts().items())
        raise UsageError(
            f"{able} of {len(classes)} classes with pictures can be split; a classifier needs two"
            f" ({len(decisions.kept)} pictures kept, dropped: {dropped or 'nothing'})",
            cure="scrape or add more pictures: three distinct ones of a class at least",
        )
