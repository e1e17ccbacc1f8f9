"""Run forget: take pictures out of everything that a data set holds, and refuse them ever after.

The manifest goes first, in one transaction with the tombstones; then every file that the tombstones
name goes. A run that is killed in between is completed by the next one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.forget.files import (
    bundles_trained_on,
    caches,
    check_inside,
    exclusive_locks,
    files_to_remove,
    ids_of,
    other_folders_with,
    quarantine_links,
    raw_files,
    reports_of,
    successors,
    sweep,
    take_out,
)
from curate.forget.manifest import (
    Matches,
    Target,
    erase,
    find_matches,
    forgotten_contents,
    host_name,
    successor_ids,
    unfinished_runs,
    versions_touched_before,
    was_forgotten,
    whole_address,
)
from curate.settings import ForgetSettings
from sceneset.class_list import shown
from sceneset.dataset import Dataset
from sceneset.errors import MissingInputError
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output, Stopwatch
from sceneset.urls import page_key
from sceneset.versions.verify import standing_exports

SHOWN = 10
_COLUMNS = {"site": "site", "page": "page_url", "sha256": "sha256"}


_DEFAULTS = ForgetSettings()


def _target(settings: ForgetSettings) -> Target:
    """Return what is to be forgotten. Raises SettingsError."""
    site = settings.site if settings.site is None else host_name(settings.site)
    page = settings.page if settings.page is None else page_key(settings.page)
    return Target(site, page, settings.sha256 and settings.sha256.lower())


def forget(*, settings: ForgetSettings = _DEFAULTS, output: Output = Output()) -> Outcome:  # noqa: ARG001  the command line reads it
    """Take pictures out for good: raw files, rows, caches, reports and published versions.

    Published versions keep their numbers and get new ids. What was taken out is never collected
    again. Bundles and exports are listed, not changed. It does not ask: try --dry-run first.
    """
    dataset = Dataset.open(settings.dataset)
    check_inside(dataset)
    watch = Stopwatch()
    alone = nullcontext() if settings.dry_run else exclusive_locks(dataset)
    with alone, Manifest(dataset.manifest_path) as manifest:
        if settings.page is not None:
            settings = replace(settings, page=whole_address(manifest, settings.page))
        target = _target(settings)
        matches = find_matches(manifest, target)
        version_ids = _touched_versions(dataset, manifest, matches, target)
        plan = _plan(dataset, manifest, matches, version_ids, settings)
        _check_matched(plan, manifest, settings)
        if not settings.dry_run:
            erase(manifest, target, matches, settings.reason, version_ids=version_ids)
            plan["versions"] = _complete(dataset, manifest)
    return _outcome(plan | {"seconds": watch.total})


def _touched_versions(
    dataset: Dataset, manifest: Manifest, matches: Matches, target: Target
) -> set[str]:
    """Return the ids of all versions, kept or not, that held any of the pictures."""
    ids = versions_touched_before(manifest, target) | matches.versions
    for number in files_to_remove(dataset, matches.sha256s):
        ids |= ids_of(dataset, number)
    later = successor_ids(manifest)
    while fresh := {later[i] for i in ids & later.keys()} - ids:
        ids |= fresh
    return ids - {""}


def _plan(
    dataset: Dataset,
    manifest: Manifest,
    matches: Matches,
    version_ids: set[str],
    settings: ForgetSettings,
) -> dict[str, Any]:
    """Return the command's JSON object as it stands before anything is removed."""
    earlier = forgotten_contents(manifest) if unfinished_runs(manifest) else set()
    gone = matches.sha256s | earlier
    trained = [run for run in manifest.runs("train") if "bundle" in run.counts]
    bundles = [Path(str(run.counts["bundle"])) for run in trained]
    return {
        "dataset": str(dataset.root),
        "dry_run": settings.dry_run,
        "target": {k: v for k, v in vars(_target(settings)).items() if v is not None},
        "pictures": len({s.sha256 for s in matches.sightings if s.sha256}),
        "sha256s": sorted(matches.sha256s),
        "sightings": len(matches.sightings),
        "matched": sum(map(_target(settings).matches, matches.sightings)),
        "classes": dict(sorted(Counter(s.class_name for s in matches.sightings).items())),
        "raw_files": len(raw_files(dataset, gone)),
        "versions": [
            {"number": number, "removed": len(files)}
            for number, files in files_to_remove(dataset, gone).items()
        ],
        "quarantine": len(quarantine_links(dataset, gone)),
        "reports": [path.name for path in reports_of(dataset, gone)],
        "caches": len(caches(dataset)),
        "copies": list(matches.copies),
        "strangers": other_folders_with(dataset, gone),
        "bundles": bundles_trained_on(settings.models, bundles, version_ids),
        "exports": [
            {"out": str(export.out), "format": export.format}
            for export in standing_exports(manifest)
            if export.version in version_ids
        ],
    }


def _check_matched(plan: Mapping[str, Any], manifest: Manifest, settings: ForgetSettings) -> None:
    """Raise MissingInputError when nothing matches and nothing ever did: most likely a typing error."""
    expected = (
        settings.in_advance
        or was_forgotten(manifest, _target(settings))
        or unfinished_runs(manifest)
    )
    if not _matched(plan) and not expected:
        name, value = next(iter(plan["target"].items()))
        raise MissingInputError(
            f"nothing in {plan['dataset']} matches --{name} {shown(value)}",
            cure=f"copy it from the column {_COLUMNS[name]} of manifest.csv;"
            " --in-advance refuses it all the same",
        )


def _complete(dataset: Dataset, manifest: Manifest) -> list[dict[str, Any]]:
    """Remove every file that the tombstones name, whichever run put them there."""
    gone = forgotten_contents(manifest)
    sweep(dataset, gone)
    rewritten = take_out(dataset, gone, _drops(manifest))
    ids = successors(dataset)
    for run_id in unfinished_runs(manifest):
        manifest.finish_run(run_id, "forgotten", {"rewritten": ids})
    return rewritten


def _drops(manifest: Manifest) -> dict[int, Counter[str]]:
    """Return version number -> pictures that its run left out, by reason, as the rows say now."""
    published = {
        run.id: int(run.counts["number"])
        for run in manifest.runs("curate")
        if run.outcome == "published" and "number" in run.counts
    }
    drops: dict[int, Counter[str]] = {number: Counter() for number in published.values()}
    rows = manifest.query(
        "SELECT run_id, reason, count(*) FROM decisions WHERE verdict = 'drop' GROUP BY 1, 2"
    )
    for run_id, reason, count in rows:
        if run_id in published:
            drops[published[run_id]][reason] += count
    return drops


def _outcome(summary: dict[str, Any]) -> Outcome:
    would = "would forget" if summary["dry_run"] else "forgot"
    refused = "would be refused" if summary["dry_run"] else "is refused from now on"
    what = " ".join(f"{name} {value}" for name, value in summary["target"].items())
    counts = f"{summary['pictures']} pictures and {summary['sightings']} search results"
    first = f"{would} {counts}" if _matched(summary) else "nothing matched"
    lines = [f"{first}; {what} {refused}", *_format_list("picture", summary["sha256s"])]
    for version in summary["versions"]:
        after = f", id now {version['after'][:12]}" if version.get("after") else ""
        lines.append(f"version {version['number']}: {version['removed']} pictures out{after}")
    lines.append(
        f"{summary['raw_files']} raw files, {summary['quarantine']} links of quarantine,"
        f" {summary['caches']} caches, reports: {', '.join(summary['reports']) or 'none'}"
    )
    exports = [export["out"] for export in summary["exports"]]
    lines += _format_list("trained on it, train again:", summary["bundles"])
    lines += _format_list("holds it, export again:", exports)
    lines += _format_list("holds it and is no version, remove it yourself:", summary["strangers"])
    lines += _format_list("looks like it and stays; forget it too by --sha256", summary["copies"])
    return Outcome(summary, tuple(lines))


def _matched(summary: Mapping[str, Any]) -> bool:
    return any(summary[name] for name in ("sightings", "raw_files", "versions", "quarantine"))


def _format_list(what: str, names: Sequence[str]) -> list[str]:
    more = len(names) - SHOWN
    tail = [f"{what} ... and {more} more (--json has all)"] if more > 0 else []
    return [*(f"{what} {name}" for name in names[:SHOWN]), *tail]
