"""Sum up a run: its JSON object, its lines for people and its exit code."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from curate.findings import Findings
from curate.publish import Publication
from pipeline.dataset import Dataset
from pipeline.errors import OK, PARTIAL, DamagedDataError
from pipeline.progress import Outcome
from pipeline.rows import SPLITS

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
