"""Run forget: take pictures out of everything that a data set holds, and refuse them ever after.

The manifest goes first, in one transaction with the tombstones; then every file that the tombstones
name goes. A run that is killed in between is completed by the next one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from curate.forget import files, versions
from curate.forget.manifest import ForgettingManifest, Found, Target, host_name, matches
from curate.forget.versions import Rewritten
from sceneset.class_list import shown
from sceneset.dataset import Dataset, DatasetSettings, run_lock
from sceneset.errors import MissingInputError
from sceneset.progress import Outcome, Output, Stopwatch
from sceneset.urls import page_key
from sceneset.versions.verify import standing_exports

SHOWN = 10
_COLUMNS = {"site": "site", "page": "page_url", "sha256": "sha256"}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ForgetSettings(DatasetSettings):
    """What to forget, just one of --site, --page and --sha256, and why."""

    site: str | None = None
    """Every picture found on this host or a host below it, such as example.org."""
    page: str | None = None
    """Every picture found on the page with this address, however it is spelt."""
    sha256: str | None = None
    """The picture with this SHA-256."""
    reason: str = ""
    """Why; stands in the manifest's tombstones."""
    models: Path = Path("models")
    """Where to look for bundles trained on the pictures, besides those that train recorded."""
    in_advance: Annotated[bool, Parameter(negative="")] = False
    """Refuse it from now on also when the data set holds nothing of it yet."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Only list what would go."""

    @property
    def target(self) -> Target:
        """Return what is to be forgotten. Raises SettingsError."""
        site = self.site if self.site is None else host_name(self.site)
        page = self.page if self.page is None else page_key(self.page)
        return Target(site, page, self.sha256 and self.sha256.lower())


_DEFAULTS = ForgetSettings()


def forget(*, settings: ForgetSettings = _DEFAULTS, output: Output = Output()) -> Outcome:  # noqa: ARG001  the command line reads it
    """Take pictures out for good: raw files, rows, caches, reports and published versions.

    Published versions keep their numbers and get new ids. What was taken out is never collected
    again. Bundles and exports are listed, not changed. It does not ask: try --dry-run first.
    """
    target = settings.target
    dataset = Dataset.open(settings.dataset)
    files.check_inside(dataset)
    watch = Stopwatch()
    if settings.dry_run:
        with ForgettingManifest(dataset.manifest_path) as manifest:
            found = manifest.find(target)
            plan = _plan(dataset, manifest, found, settings)
            _check_matched(plan, manifest, settings)
        return _outcome(plan | {"seconds": watch.total}, found)
    with (
        run_lock(dataset.root, "forget"),
        files.readers_held_off(dataset),
        ForgettingManifest(dataset.manifest_path) as manifest,
    ):
        found = manifest.find(target)
        ids = _concerned(dataset, manifest, found, target)
        plan = _plan(dataset, manifest, found, settings)
        _check_matched(plan, manifest, settings)
        manifest.forget(target, found, settings.reason, concerned=ids)
        rewritten = _complete(dataset, manifest)
    versions = [asdict(version) for version in rewritten]
    return _outcome(plan | {"versions": versions, "seconds": watch.total}, found)


def _plan(
    dataset: Dataset, manifest: ForgettingManifest, found: Found, settings: ForgetSettings
) -> dict[str, Any]:
    """Return the command's JSON object as it stands before anything is removed."""
    gone = found.sha256s | (manifest.forgotten() if manifest.unfinished() else set())
    held = versions.held(dataset, gone)
    ids = _concerned(dataset, manifest, found, settings.target)
    return {
        "dataset": str(dataset.root),
        "dry_run": settings.dry_run,
        "target": {k: v for k, v in vars(settings.target).items() if v is not None},
        "pictures": len({s.sha256 for s in found.sightings if s.sha256}),
        "sha256s": sorted(found.sha256s),
        "sightings": len(found.sightings),
        "matched": sum(matches(settings.target, s) for s in found.sightings),
        "classes": dict(sorted(Counter(s.class_name for s in found.sightings).items())),
        "raw_files": len(files.raw_files(dataset, gone)),
        "versions": [{"number": n, "removed": count} for n, count in held.items()],
        "quarantine": len(files.quarantine_links(dataset, gone)),
        "reports": [path.name for path in files.reports_of(dataset, gone)],
        "caches": len(files.caches(dataset)),
        "copies": list(found.copies),
        "strangers": files.strangers_with(dataset, gone),
        "bundles": files.bundles_trained_on(settings.models, manifest.bundles(), ids),
        "exports": files.exports_of(standing_exports(manifest), ids),
    }


def _check_matched(
    plan: Mapping[str, Any], manifest: ForgettingManifest, settings: ForgetSettings
) -> None:
    """Raise MissingInputError when there is nothing to forget and never was: a slip of the pen."""
    expected = settings.in_advance or manifest.refuses(settings.target) or manifest.unfinished()
    if not _matched(plan) and not expected:
        name, value = next(iter(plan["target"].items()))
        raise MissingInputError(
            f"nothing in {plan['dataset']} matches --{name} {shown(value)}",
            cure=f"copy it from the column {_COLUMNS[name]} of manifest.csv;"
            " --in-advance refuses it all the same",
        )


def _concerned(
    dataset: Dataset, manifest: ForgettingManifest, found: Found, target: Target
) -> set[str]:
    """Return the ids of all versions, kept or not, that held any of the pictures."""
    ids = manifest.concerned_before(target) | found.versions
    for number in versions.held(dataset, found.sha256s):
        ids |= versions.ids_of(dataset, number)
    successors = manifest.successors()
    fresh = {successors[i] for i in ids & successors.keys()}
    while fresh - ids:
        ids |= fresh
        fresh = {successors[i] for i in ids & successors.keys()}
    return ids - {""}


def _complete(dataset: Dataset, manifest: ForgettingManifest) -> list[Rewritten]:
    """Remove every file that the tombstones name, whichever run put them there."""
    gone = manifest.forgotten()
    files.sweep(dataset, gone)
    rewritten = versions.take_out(dataset, gone, _drops(manifest))
    successors = versions.successors(dataset)
    for run_id in manifest.unfinished():
        manifest.finish_run(run_id, "forgotten", {"rewritten": successors})
    return rewritten


def _drops(manifest: ForgettingManifest) -> dict[int, Counter[str]]:
    """Return version number -> pictures that its run left out, by reason, as the rows say now."""
    published = {
        run.id: int(str((run.counts or {})["number"]))
        for run in manifest.runs("curate")
        if run.outcome == "published" and "number" in (run.counts or {})
    }
    drops: dict[int, Counter[str]] = {number: Counter() for number in published.values()}
    rows = manifest.query(
        "SELECT run_id, reason, count(*) FROM decisions WHERE verdict = 'drop' GROUP BY 1, 2"
    )
    for run_id, reason, count in rows:
        if run_id in published:
            drops[published[run_id]][reason] += count
    return drops


def _outcome(summary: dict[str, Any], found: Found) -> Outcome:
    would = "would forget" if summary["dry_run"] else "forgot"
    refused = "would be refused" if summary["dry_run"] else "is refused from now on"
    what = " ".join(f"{name} {value}" for name, value in summary["target"].items())
    counts = f"{summary['pictures']} pictures and {summary['sightings']} search results"
    first = f"{would} {counts}" if _matched(summary) else "nothing matched"
    lines = [
        f"{first}; {what} {refused}",
        *_shown("picture", sorted(found.sha256s)),
    ]
    for version in summary["versions"]:
        after = f", id now {version['after'][:12]}" if version.get("after") else ""
        lines.append(f"version {version['number']}: {version['removed']} pictures out{after}")
    lines.append(
        f"{summary['raw_files']} raw files, {summary['quarantine']} links of quarantine,"
        f" {summary['caches']} caches, reports: {', '.join(summary['reports']) or 'none'}"
    )
    lines += _shown("trained on it, train again:", summary["bundles"])
    lines += _shown("holds it, export again:", [export["out"] for export in summary["exports"]])
    lines += _shown("holds it and is no version, remove it yourself:", summary["strangers"])
    lines += _shown("looks like it and stays; forget it too by --sha256", summary["copies"])
    return Outcome(summary, tuple(lines))


def _matched(summary: Mapping[str, Any]) -> bool:
    return any(summary[name] for name in ("sightings", "raw_files", "versions", "quarantine"))


def _shown(what: str, names: list[str]) -> list[str]:
    more = len(names) - SHOWN
    tail = [f"{what} ... and {more} more (--json has all)"] if more > 0 else []
    return [*(f"{what} {name}" for name in names[:SHOWN]), *tail]
