"""Tell what curate did: report.json for programs, one self-contained page for people."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from curate.conflicts import Key, key_of
from curate.decisions import Decisions
from curate.partition import Partition
from curate.report_page import PAGE
from curate.settings import ISSUES
from pipeline.dataset import Dataset
from pipeline.durable import write_file
from pipeline.rows import ClassRow

PAIRS_SHOWN = 60
CONFLICTS_SHOWN = 60
DROPS_SHOWN = 24
ISSUES_SHOWN = 12
GROUPS_SHOWN = 12
GROUP_PICTURES_SHOWN = 12
CONTACTS_SHOWN = 24
MOVES_SHOWN = 100
_RAW_FROM_PAGE = "../../"

Json = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """What a run found out, beyond its summary: the material of the report."""

    decisions: Decisions
    parts: Partition
    raw_paths: Mapping[str, str]
    classes: Mapping[int, ClassRow]


def report_data(summary: Mapping[str, Any], findings: Findings) -> Json:
    """Return everything the report shows as plain JSON; long lists are cut, with their length."""
    return {
        "summary": dict(summary),
        "dropped_pictures": _dropped(findings),
        "pairs": _cut(_pairs(findings), PAIRS_SHOWN),
        "conflicts": _cut(_conflicts(findings), CONFLICTS_SHOWN),
        "issues": _issues(findings),
        "groups": _groups(findings),
        "chains": [chain._asdict() for chain in findings.parts.chains],
        "moved": _cut(_moved(findings), MOVES_SHOWN),
        "near_pairs_apart": findings.parts.near_apart,
        "contact_sheets": _contact_sheets(findings),
    }


def write_report(dataset: Dataset, data: Json) -> None:
    """Write report.json and index.html, each whole."""
    from jinja2 import Environment  # noqa: PLC0415  only this function needs it

    folder = dataset.report("curate")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(PAGE).render(data, raw=_RAW_FROM_PAGE)
    text = json.dumps(data, ensure_ascii=False, indent=1)
    write_file(folder / "report.json", f"{text}\n".encode())
    write_file(folder / "index.html", page.encode())


def _cut(rows: list[Json], shown: int) -> Json:
    return {"all": len(rows), "shown": rows[:shown]}


def _pairs(findings: Findings) -> list[Json]:
    """Return dropped copies beside the kept ones, the least alike first: those are the doubtful."""
    rows = [
        {
            "class": findings.classes[class_id].name,
            "kept": findings.raw_paths[link.other(sha256)],
            "dropped": findings.raw_paths[sha256],
            "distance": link.distance,
            "kind": link.kind,
        }
        for (class_id, sha256), link in findings.decisions.copies.items()
    ]
    return sorted(rows, key=lambda r: (-r["distance"], r["class"], r["dropped"]))


def _conflicts(findings: Findings) -> list[Json]:
    def side(key: Key) -> Json:
        drop = findings.decisions.drops.get(key)
        return {
            "class": findings.classes[key[0]].name,
            "path": findings.raw_paths[key[1]],
            "verdict": f"dropped: {drop.reason}" if drop else "kept",
        }

    return [
        {"first": side(c.first), "second": side(c.second), "distance": c.distance, "kind": c.kind}
        for c in findings.decisions.conflicts
    ]


def _dropped(findings: Findings) -> list[Json]:
    """Return what was left out for a reason of its own (copies and conflicts have their lists)."""
    paths: dict[str, list[str]] = defaultdict(list)
    for (_, sha256), drop in sorted(findings.decisions.drops.items(), key=itemgetter(0)):
        if drop.of_sha256 is None:
            paths[drop.reason].append(findings.raw_paths[sha256])
    return [
        {"reason": reason, "all": len(found), "shown": found[:DROPS_SHOWN]}
        for reason, found in sorted(paths.items())
    ]


def _issues(findings: Findings) -> list[Json]:
    issues = findings.decisions.issues
    found = {i: [s for s in sorted(issues) if i in issues[s]] for i in ISSUES}
    return [
        {
            "issue": issue,
            "all": len(pictures),
            "shown": [findings.raw_paths[s] for s in pictures[:ISSUES_SHOWN]],
        }
        for issue, pictures in found.items()
        if pictures
    ]


def _groups(findings: Findings) -> Json:
    several = sorted(
        (g for g in findings.parts.groups if len(g) > 1), key=lambda g: (-len(g), g[0])
    )
    shown = [
        {
            "split": findings.parts.split_of[group[0]],
            "all": len(group),
            "shown": [findings.raw_paths[s] for s in group[:GROUP_PICTURES_SHOWN]],
        }
        for group in several[:GROUPS_SHOWN]
    ]
    return {"all": len(several), "shown": shown}


def _moved(findings: Findings) -> list[Json]:
    return [
        {
            "class": findings.classes[class_id].name,
            "path": findings.raw_paths[sha256],
            "from": before,
            "to": after,
        }
        for (class_id, sha256), before, after in findings.parts.moved
    ]


def _contact_sheets(findings: Findings) -> list[Json]:
    sheets: dict[str, list[str]] = defaultdict(list)
    for class_id, sha256 in map(key_of, findings.decisions.kept):
        sheets[findings.classes[class_id].name].append(findings.raw_paths[sha256])
    return [
        {"class": name, "all": len(paths), "shown": paths[:CONTACTS_SHOWN]}
        for name, paths in sorted(sheets.items())
    ]
