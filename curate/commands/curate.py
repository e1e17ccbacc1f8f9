"""Run curate: measure, decide, split, publish one version, report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curate.decisions import Decisions, Drop, OverrideResult, apply_overrides, decide, find_unusable
from curate.duplicates.frames import measure
from curate.duplicates.links import Key, key_of
from curate.duplicates.search import SearchResult, search
from curate.features import cache
from curate.features.quality import outliers
from curate.forget.files import restore_versions
from curate.publish.report import Findings, report_data, write_report
from curate.publish.version import (
    Publication,
    commit,
    point_to,
    prepare,
    prune,
    recover,
    write_quarantine,
    write_version,
)
from curate.settings import CurateSettings
from curate.splits.assign import Partition, partition, split_history
from curate.splits.leakage_audit import audit, check
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import (
    OK,
    PARTIAL,
    DamagedDataError,
    InterruptedRunError,
    MissingExtraError,
    MissingInputError,
    UsageError,
)
from sceneset.files.heic import is_installed
from sceneset.images import EXTENSIONS
from sceneset.manifest.rows import SPLITS
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar, Bars, Outcome, Output, Stopwatch, progress_bars

_NAMED = 8
_GROUPS_NAMED = 5
_LEAST_CLASSES = 2
_DEFAULTS = CurateSettings()


def curate(*, settings: CurateSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Remove copies and unusable pictures, resize the rest, split it and publish a version.

    Raw pictures are never changed: what is left out is listed in the report and linked to from
    quarantine/. Pictures keep their split when the set grows. A class taken out of classes.txt
    stays as long as the data set holds pictures of it.
    """
    dataset = Dataset.open(settings.dataset)
    with run_lock(dataset.root, "curate"), Manifest(dataset.manifest_path) as manifest:
        restore_versions(dataset)
        runs = manifest.runs("curate")
        number = recover(dataset, {int(r.counts["number"]) for r in runs if "number" in r.counts})
        versions = cache.versions(exact=settings.exact_hash)
        run_id = manifest.start_run("curate", asdict(settings) | settings.shaping, versions)
        with progress_bars(output) as bars:
            run = _Run(dataset, manifest, settings, bars, Stopwatch())
            with _failure_recorded(manifest, run_id):
                findings = run.find()
                publication = prepare(findings, settings, dataset.current, number)
                summary = _summary(dataset, findings, publication, run.watch)
                run.publish(findings, publication, run_id, summary)
            run.finish(findings, publication, summary)
    return outcome_of(summary)


def _check_heic(paths: Iterable[str]) -> None:
    """Raise MissingExtraError when a picture is a HEIC and nothing opens it."""
    heic = sum(path.endswith(f".{EXTENSIONS['HEIF']}") for path in paths)
    if heic and not is_installed():
        raise MissingExtraError(
            f"{heic} pictures are HEIC: the package pi_heif is not installed",
            cure="pip install -e '.[heic]'",
        )


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
    """What every step of a run needs."""

    dataset: Dataset
    manifest: Manifest
    settings: CurateSettings
    bars: Bars
    watch: Stopwatch

    def find(self) -> Findings:
        """Decide about every picture and split what is kept."""
        settings, manifest = self.settings, self.manifest
        reviewed = self._reviewed()
        with self.watch.step("measure"):
            files = {p.sha256: self.dataset.root / p.path for p in reviewed.pictures}
            damaged = cache.find_damage(files)
            files = {sha256: path for sha256, path in files.items() if sha256 not in damaged}
            features = measure(manifest, files, settings, self._bar)
        with self.watch.step("search"):
            unusable = find_unusable(
                reviewed.pictures, features, settings.min_side, damaged, kept=reviewed.kept
            )
            copies = self._search(reviewed, unusable, features, files)
        classes = {row.id: row for row in manifest.classes()}
        with self.watch.step("decide"):
            names = {row.id: row.name for row in classes.values()}
            decisions = decide(
                reviewed, features, copies, settings, unusable=unusable, class_names=names
            )
        with self.watch.step("split"):
            parts = partition(decisions, copies.links, settings, split_history(manifest, settings))
            _check_splittable(decisions, parts, len(damaged))
        with self.watch.step("audit"):
            crossings = audit(parts.split_of, features, copies.full.digests, settings)
            check(crossings)
        return Findings(
            decisions=decisions,
            parts=parts,
            links=copies.links,
            crossings=crossings,
            damaged=damaged,
            outliers=outliers(self.dataset.root, parts.split_of),
            raw_paths={p.sha256: p.path for p in manifest.kept_pictures()},
            classes=classes,
            hashes=features.whole,
        )

    def _reviewed(self) -> OverrideResult:
        pictures = self.manifest.kept_pictures()
        if not pictures:
            raise MissingInputError(
                f"{self.dataset.root} holds no pictures to curate",
                cure=f"sceneset scrape --dataset {self.dataset.root}, or sceneset add DIR",
            )
        _check_heic([picture.path for picture in pictures])
        return apply_overrides(pictures, self.manifest.latest_overrides())

    def _search(
        self,
        reviewed: OverrideResult,
        unusable: Mapping[Key, Drop],
        features: cache.Features,
        files: Mapping[str, Path],
    ) -> SearchResult:
        def measure_fully(names: Iterable[str]) -> cache.FullMeasures:
            wanted = {sha256: files[sha256] for sha256 in names}
            executor = self.settings.executor
            return cache.measure_fully(self.manifest, wanted, executor, self._bar("comparing"))

        usable = [p for p in reviewed.pictures if key_of(p) not in unusable]
        folder = self.dataset.root / "cache"
        return search(
            usable, features, self.settings, measure_fully, kept=reviewed.kept, cache=folder
        )

    def publish(
        self,
        findings: Findings,
        publication: Publication,
        run_id: int,
        summary: Mapping[str, Any],
    ) -> None:
        """Write the version and record it, unless the newest version is just that."""
        if publication.fresh:
            files = {s: self.dataset.root / path for s, path in findings.raw_paths.items()}
            with self.watch.step("publish"):
                write_version(
                    self.dataset, publication, self.settings, files, make_bar=self._bar("resizing")
                )
        with self.watch.step("record"):
            commit(
                self.manifest,
                run_id,
                publication,
                findings.decisions.rows(run_id),
                class_ids={row.name: row.id for row in findings.classes.values()},
                counts=summary,
            )

    def finish(
        self, findings: Findings, publication: Publication, summary: Mapping[str, Any]
    ) -> None:
        """Point readers to the version, remove old ones, link what was left out, report."""
        with self.watch.step("publish"):
            point_to(self.dataset, publication.number)
            prune(self.dataset, self.settings.keep_versions)
        with self.watch.step("report"):
            drops = findings.decisions.drops
            write_quarantine(self.dataset, drops, findings.raw_paths, findings.classes)
            shown = {**summary, "dataset": self.dataset.name}
            data = report_data(shown, findings, publication.pictures)
            write_report(self.dataset, data, self.settings.executor)

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


def _summary(
    dataset: Dataset, findings: Findings, publication: Publication, watch: Stopwatch
) -> dict[str, Any]:
    """Return the run's JSON object; `seconds` is the watch's own table and grows with it."""
    decisions, parts = findings.decisions, findings.parts
    record = publication.record
    used = {p.class_id for p in decisions.kept}
    splits = Counter(p.split for p in publication.pictures)
    issues = Counter(issue for issues in decisions.issues.values() for issue in issues)
    sizes = sorted(map(len, parts.groups), reverse=True)
    return {
        "dataset": str(dataset.root),
        "version": record["version"],
        "number": publication.number,
        "published": publication.fresh,
        "images": record["images"],
        "kept": record["kept"],
        "dropped": record["dropped"],
        "splits": {split: splits[split] for split in SPLITS},
        "leaks": sum(crossing.duplicate for crossing in findings.crossings),
        "near_pairs_apart": sum(not crossing.duplicate for crossing in findings.crossings),
        "largest_groups": [size for size in sizes[:_GROUPS_NAMED] if size > 1],
        "damaged": sorted(findings.raw_paths[s] for s in findings.damaged),
        "moved": len(parts.moved),
        "conflicts": len(decisions.conflicts),
        "issues": dict(sorted(issues.items())),
        "counts": record["counts"],
        "small_classes": sorted(findings.classes[c].name for c in parts.small),
        "classes_without_pictures": sorted(
            row.name for row in findings.classes.values() if row.id not in used
        ),
        "seconds": watch.seconds,
    }


def outcome_of(summary: Mapping[str, Any]) -> Outcome:
    """Return what the command ends with.

    Exit code 5 when raw files are missing or altered, 3 when classes are small or empty.
    """
    small, empty = summary["small_classes"], summary["classes_without_pictures"]
    damaged = summary["damaged"]
    problems = []
    cure = "scrape or add more pictures of these classes, then curate again"
    if damaged:
        problems.append(f"{len(damaged)} raw files are missing or altered: {_names(damaged)}")
        cure = "restore these files from a copy, or take them out with forget; then curate again"
    if small:
        problems.append(f"too few pictures for every split, all in train: {_names(small)}")
    if empty:
        problems.append(f"without pictures: {_names(empty)}")
    return Outcome(
        summary,
        _lines(summary),
        exit_code=DamagedDataError.exit_code if damaged else PARTIAL if problems else OK,
        problem="; ".join(problems),
        cure=cure if problems else "",
    )


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
