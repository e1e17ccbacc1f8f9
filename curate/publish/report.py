"""Report what curate did: report.json for programs, one page with small pictures for people."""

import base64
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from PIL import Image

from curate.decisions import Decisions
from curate.duplicates.links import Key, Link, key_of
from curate.features.phash import hex_form
from curate.settings import ISSUES
from curate.splits.assign import Partition
from sceneset.atomic import write_file, write_files
from sceneset.dataset import Dataset
from sceneset.images import PictureError, decode
from sceneset.manifest.rows import ClassRow
from sceneset.versions.published import PublishedPicture, record_json
from sceneset.workers import FEW, map_chunked

# How many of each the report shows.
SHOWN = {
    "copies": 60,
    "copies_of_one": 5,
    "conflicts": 60,
    "dropped_pictures": 24,
    "issues": 12,
    "groups": 12,
    "pictures_of_a_group": 12,
    "contact_sheets": 18,
    "moved": 100,
    "near_pairs": 60,
    "outliers": 36,
}
FOLDER = "thumbs"
# Shown up to 110 px high, on screens of two dots per px.
HEIGHT = 168
WIDTH = 320
_QUALITY = 78
_BATCH = 500
_PAGE = Path(__file__).with_name("report.html")
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
# A raw picture's path in report.json.
_RAW_PATH = re.compile(r'"(raw/[^"]+)"')

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The results of a run that the version and the report are made from."""

    decisions: Decisions
    parts: Partition
    links: Sequence[Link]
    crossings: Sequence[Link]
    damaged: Mapping[str, str]
    outliers: Sequence[tuple[str, float]]
    raw_paths: Mapping[str, str]
    classes: Mapping[int, ClassRow]
    hashes: Mapping[str, int]


def report_data(
    summary: Mapping[str, Any], findings: Findings, published: Sequence[PublishedPicture]
) -> Json:
    """Return everything the report shows as plain JSON; long lists are cut, with their length."""
    near = _near_pairs(findings)
    return {
        "summary": dict(summary),
        "damaged": [
            {"file": Path(findings.raw_paths[sha256]).name, "what": damage}
            for sha256, damage in sorted(findings.damaged.items())
        ],
        "dropped_pictures": _dropped(findings),
        "pairs": _cut(_pairs(findings), SHOWN["copies"]),
        "copies": _cut(_copies(findings), SHOWN["copies"]),
        "distances": _distances(findings),
        "conflicts": _cut(_conflicts(findings), SHOWN["conflicts"]),
        "issues": _issues(findings),
        "outliers": _cut(_outliers(findings), SHOWN["outliers"]),
        "groups": _groups(findings),
        "chains": list(findings.parts.chains),
        "near_pairs_apart": len(near),
        "near_pairs": _cut(near, SHOWN["near_pairs"]),
        "moved": _cut(_moved(findings), SHOWN["moved"]),
        "contact_sheets": _contact_sheets(findings, published, int(summary["number"])),
    }


def _cut(rows: list[Json], shown: int) -> Json:
    return {"all": len(rows), "shown": rows[:shown]}


def _pairs(findings: Findings) -> list[Json]:
    """Return dropped copies beside the kept ones, the least alike first."""
    rows = [
        {
            "class": findings.classes[class_id].name,
            "kept": findings.raw_paths[link.other(sha256)],
            "dropped": findings.raw_paths[sha256],
            "distance": link.distance,
            "kind": link.kind,
            "hashes": [hex_form(findings.hashes[s]) for s in (link.other(sha256), sha256)],
        }
        for (class_id, sha256), link in findings.decisions.copies.items()
    ]
    return sorted(rows, key=lambda r: (-r["distance"], r["class"], r["dropped"]))


def _copies(findings: Findings) -> list[Json]:
    """Return each kept picture with its dropped copies, those with the least alike first."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for row in _pairs(findings):
        groups.setdefault((row["class"], row["kept"]), []).append(row)
    return [
        {
            "class": name,
            "kept": kept,
            "all": len(rows),
            "shown": [
                {key: row[key] for key in ("dropped", "distance", "kind")}
                for row in rows[: SHOWN["copies_of_one"]]
            ],
        }
        for (name, kept), rows in groups.items()
    ]


def _distances(findings: Findings) -> list[Json]:
    """Return how many dropped copies and how many mere look-alikes lie how many bits apart."""
    copies = Counter(link.distance for link in findings.decisions.copies.values())
    alike = Counter(link.distance for link in findings.links if not link.duplicate)
    most = max([0, *copies, *alike])
    return [{"bits": d, "copies": copies[d], "alike": alike[d]} for d in range(most + 1)]


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
    """Return what was dropped for other reasons than copies and conflicts."""
    paths: dict[str, list[str]] = defaultdict(list)
    for (_, sha256), drop in sorted(findings.decisions.drops.items(), key=itemgetter(0)):
        if drop.of_sha256 is None:
            paths[drop.reason].append(findings.raw_paths[sha256])
    return [
        {"reason": reason, "all": len(dropped), "shown": dropped[: SHOWN["dropped_pictures"]]}
        for reason, dropped in sorted(paths.items())
    ]


def _issues(findings: Findings) -> list[Json]:
    issues = findings.decisions.issues
    return [
        {
            "issue": issue,
            "all": len(pictures),
            "shown": [findings.raw_paths[s] for s in pictures[: SHOWN["issues"]]],
        }
        for issue in ISSUES
        if (pictures := [s for s in sorted(issues) if issue in issues[s]])
    ]


def _outliers(findings: Findings) -> list[Json]:
    names = {s: findings.classes[c].name for c, s in map(key_of, findings.decisions.kept)}
    return [
        {
            "class": names[sha256],
            "path": findings.raw_paths[sha256],
            "distance": round(distance, 3),
        }
        for sha256, distance in findings.outliers
    ]


def _groups(findings: Findings) -> Json:
    several = sorted(
        (g for g in findings.parts.groups if len(g) > 1), key=lambda g: (-len(g), g[0])
    )
    shown = [
        {
            "split": findings.parts.split_of[group[0]],
            "all": len(group),
            "shown": [findings.raw_paths[s] for s in group[: SHOWN["pictures_of_a_group"]]],
        }
        for group in several[: SHOWN["groups"]]
    ]
    return {"all": len(several), "shown": shown}


def _near_pairs(findings: Findings) -> list[Json]:
    """Return pictures of two splits that are near, but no copies."""
    return [
        {
            "paths": [findings.raw_paths[s] for s in (link.first, link.second)],
            "splits": [findings.parts.split_of[s] for s in (link.first, link.second)],
            "distance": link.distance,
            "kind": link.kind,
        }
        for link in findings.crossings
        if not link.duplicate
    ]


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


def _contact_sheets(
    findings: Findings, published: Iterable[PublishedPicture], number: int
) -> list[Json]:
    """Return for each class pictures as found, dropped ones too, and those that were published."""
    before: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    kept = {key_of(p) for p in findings.decisions.kept}
    for class_id, sha256 in sorted({*kept, *findings.decisions.drops}, key=itemgetter(1)):
        name = findings.classes[class_id].name
        before[name].append((findings.raw_paths[sha256], (class_id, sha256) in kept))
    after: dict[str, list[str]] = defaultdict(list)
    for picture in sorted(published, key=lambda p: p.sha256):
        after[picture.class_name].append(f"curated/versions/{number}/{picture.path}")
    return [
        {
            "class": name,
            "found": len(pictures),
            "all": len(after[name]),
            "before": [
                {"path": path, "kept": stays} for path, stays in pictures[: SHOWN["contact_sheets"]]
            ],
            "after": after[name][: SHOWN["contact_sheets"]],
        }
        for name, pictures in sorted(before.items())
    ]


def name_of(sha256: str) -> str:
    """Return the file name of a picture's small copy."""
    return f"{sha256[:16]}.jpg"


def write_thumbnails(folder: Path, files: Mapping[str, Path], executor: str) -> set[str]:
    """Make `folder` hold small copies of just these pictures (SHA-256 -> file).

    Those that are there stay; return the SHA-256 of the pictures that have one now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name_of(sha256) for sha256 in files}
    there = {path.name for path in folder.iterdir()}
    for name in there - wanted:
        (folder / name).unlink()
    missing = {str(files[s]): s for s in sorted(files) if name_of(s) not in there}
    results = map_chunked(small_copy, list(missing), executor, few=FEW)
    failed: set[str] = set()
    while batch := list(islice(results, _BATCH)):
        failed |= {missing[result.item] for result in batch if result.value is None}
        write_files({folder / name_of(missing[r.item]): r.value for r in batch if r.value})
    return set(files) - failed


def small_copy(path: str) -> bytes | None:
    """Return a picture file as a small JPEG, or None when it is missing or does not decode."""
    try:
        image = decode(Path(path).read_bytes(), at_least=HEIGHT)
    except (PictureError, OSError):
        return None
    image.thumbnail((WIDTH, HEIGHT), Image.Resampling.BILINEAR, reducing_gap=None)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def write_report(dataset: Dataset, data: Json, executor: str) -> None:
    """Write report.json, small pictures and index.html, the page last and whole."""
    folder = dataset.report("curate")
    text = record_json(data)
    raw = {Path(path).stem: dataset.root / path for path in _RAW_PATH.findall(text.decode())}
    small = write_thumbnails(folder / FOLDER, raw, executor)
    write_file(folder / "report.json", text)
    write_file(folder / "index.html", page(data, small).encode())


def page(data: Json, small: Collection[str]) -> str:
    """Return the page: it loads nothing but the pictures beside it, and runs no script.

    `small` are the SHA-256 of the pictures that have a small copy.
    """
    from jinja2 import Environment  # noqa: PLC0415  only this function needs it

    template = _PAGE.read_text(encoding="utf-8")
    style = _STYLE.search(template)
    digest = hashlib.sha256((style[1] if style else "").encode()).digest()
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = lambda path: (
        f"{FOLDER}/{name_of(Path(path).stem)}" if Path(path).stem in small else ""
    )
    return environment.from_string(template).render(
        data, root="../../", style_hash=base64.b64encode(digest).decode()
    )
