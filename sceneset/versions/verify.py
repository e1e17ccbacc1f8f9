"""Check every stored file, every published version and every invariant of a data set."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import altered_files, file_problem
from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import DamagedDataError
from sceneset.manifest.rows import ImageRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output, Stopwatch, progress_bars
from sceneset.versions.published import PublishedPicture, numbers, read_object, read_pictures

MARK = "export.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """One export: its folder, its format and the id of the version that it holds."""

    out: Path
    format: str
    version: str


def standing_exports(manifest: Manifest) -> list[Exported]:
    """Return the exports whose folders are still there, by folder.

    What stands in a folder is what its own export.json says; where that cannot be read, the
    checksums show that it is the last export written there. Runs that were cut short count: they
    may have got as far.
    """
    runs = [run.settings | run.counts for run in manifest.runs("export")]
    latest = {str(run.get("out", "")): run for run in runs}
    exports = []
    for out, recorded in sorted(latest.items()):
        if out and any((Path(out) / name).is_file() for name in (MARK, CHECKSUMS)):
            facts = recorded | _mark(Path(out))
            exports.append(Exported(Path(out), str(facts["format"]), str(facts["version"])))
    return exports


def _mark(out: Path) -> dict[str, Any]:
    mark = read_object(out / MARK) or {}
    return mark if {"format", "version"} <= mark.keys() else {}


_NAME_DIGITS = 16


def version_problems(dataset: Dataset) -> list[str]:
    """Say what is wrong with any published version: files missing, altered or added."""
    altered = {n: altered_files(dataset.versions / str(n)) for n in numbers(dataset.versions)}
    return [
        *_link_problems(dataset),
        *(f"version {n}: {problem}" for n, problems in altered.items() for problem in problems),
    ]


def _link_problems(dataset: Dataset) -> list[str]:
    """Say where `current` leads to, unless that is a version or there is no such link."""
    link = dataset.current
    if not link.is_symlink():
        return ["curated/current is no link to a version"] if link.exists() else []
    if dataset.current_number is not None:
        return []
    missing = "" if link.exists() else ", which is missing"
    return [f"curated/current points to {link.readlink()}{missing or ', which is no version'}"]


def export_problems(exports: Collection[Exported]) -> list[str]:
    """Say which files of exports are missing or altered; what users add beside them is theirs."""
    return [
        f"export {export.out}: {problem}"
        for export in exports
        for problem in altered_files(export.out, added=False)
    ]


def forgotten_problems(dataset: Dataset, forgotten: Collection[str]) -> list[str]:
    """Say which contents are still in raw/ or a published version that were to be forgotten."""
    raw = {path.stem for path in dataset.raw.glob("*/*")} if forgotten else set()
    problems = [f"raw/ still holds {sha256}, which is forgotten" for sha256 in raw & {*forgotten}]
    for number in numbers(dataset.versions):
        held = held_of(dataset, number, forgotten)
        problems += [f"version {number} still holds {s}, which is forgotten" for s in held]
    return sorted(problems)


def held_of(dataset: Dataset, number: int, contents: Collection[str]) -> list[str]:
    """Return which contents a version holds, by its manifest.csv or by the names of its files."""
    if not contents:
        return []
    version = dataset.versions / str(number)
    names = {path.stem for path in version.rglob("*")}
    rows = {picture.sha256 for picture in readable_pictures(version) or ()}
    return sorted(s for s in contents if s in rows or s[:_NAME_DIGITS] in names)


def readable_pictures(version: Path) -> list[PublishedPicture] | None:
    """Return the pictures of a version, or None when its manifest.csv cannot be read."""
    try:
        return read_pictures(version)
    except DamagedDataError:
        return None


SHOWN = 20
FORGET_AGAIN = "run the same forget again"
_CURE = (
    "scrape or add again puts raw files back; curate publishes a version again,"
    " export an export; an old version that is damaged can be removed"
)
_DEFAULTS = DatasetSettings()


def verify(*, settings: DatasetSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Re-hash every picture, version and export and check the manifest's invariants.

    Ends with exit code 5 when anything is wrong.
    """
    dataset = Dataset.open(settings.dataset)
    watch = Stopwatch()
    with Manifest(dataset.manifest_path) as manifest:
        images = manifest.images()
        problems = list(manifest_problems(manifest))
        forgotten = {sha256 for sha256, _, _ in manifest.tombstones() if sha256}
        exports = standing_exports(manifest)
        with progress_bars(output) as bars:
            bar = bars.add("hashing", total=len(images))
            for image in images:
                path, altered = dataset.root / image.path, "does not hash to its name"
                problem = file_problem(path, image.sha256, altered)
                problems += [f"{image.path} {problem}"] if problem else []
                bar.advance()
    unforgotten = forgotten_problems(dataset, forgotten)
    summary = {
        "dataset": str(dataset.root),
        "images": len(images),
        "versions": numbers(dataset.versions),
        "exports": [str(export.out) for export in exports],
        "problems": [
            *problems, *version_problems(dataset), *export_problems(exports), *unforgotten,
        ],
        "orphans": len(orphan_files(dataset, images)),
        "seconds": watch.total,
    }  # fmt: skip
    return _outcome(summary, unforgotten)


def _outcome(summary: dict[str, Any], unforgotten: Sequence[str]) -> Outcome:
    problems = summary["problems"]
    if not problems:
        spare = f"; {summary['orphans']} files without a row, harmless"
        whole = f"{summary['images']} pictures and all invariants hold"
        return Outcome(summary, (whole + spare * bool(summary["orphans"]),))
    more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    first = (unforgotten or problems)[0]
    return Outcome(
        summary,
        (*problems[:SHOWN], *more),
        exit_code=DamagedDataError.exit_code,
        problem=f"{len(problems)} problems in {summary['dataset']}, the first: {first}",
        cure=FORGET_AGAIN if unforgotten else _CURE,
    )


def manifest_problems(manifest: Manifest) -> Iterator[str]:
    """Yield every broken invariant of the rows."""
    for (answer,) in manifest.query("PRAGMA integrity_check"):
        if answer != "ok":
            yield f"manifest.db: {answer}"
    for broken in manifest.query("PRAGMA foreign_key_check"):
        yield f"manifest.db: a row of {broken[0]} points to a missing row of {broken[2]}"
    for name, sql in _INVARIANTS:
        for (value,) in manifest.query(sql):
            yield f"{name}: {value}"


_INVARIANTS = (
    (
        "a kept or duplicate sighting has no picture",
        "SELECT result_id FROM sightings WHERE status IN ('kept', 'duplicate') AND sha256 IS NULL",
    ),
    (
        "a picture is kept twice in one class",
        (
            "SELECT sha256 FROM sightings WHERE status = 'kept' GROUP BY class_id, sha256"
            " HAVING count(*) > 1"
        ),
    ),
    (
        "a kept decision has no split",
        (
            "SELECT d.sha256 FROM decisions d LEFT JOIN splits s USING (run_id, class_id, sha256)"
            " WHERE d.verdict = 'keep' AND s.split IS NULL"
            " AND d.run_id = (SELECT max(run_id) FROM splits)"
        ),
    ),
    (
        "a split has no kept decision",
        (
            "SELECT s.sha256 FROM splits s LEFT JOIN decisions d USING (run_id, class_id, sha256)"
            " WHERE d.verdict IS NULL OR d.verdict <> 'keep'"
        ),
    ),
    (
        "a leak group stands in two splits",
        (
            "SELECT group_id FROM splits WHERE run_id = (SELECT max(run_id) FROM splits)"
            " GROUP BY group_id HAVING count(DISTINCT split) > 1"
        ),
    ),
)


def orphan_files(dataset: Dataset, images: list[ImageRow]) -> list[Path]:
    """Return raw files that no row speaks of: what a kill left; the next sighting adopts them."""
    named = {dataset.root / image.path for image in images}
    return sorted(p for p in dataset.raw.rglob("*") if p.is_file() and p not in named)
