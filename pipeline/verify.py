"""Check every stored file and every invariant of a data set, and change nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.checksums import file_sha256
from pipeline.dataset import Dataset, open_dataset
from pipeline.errors import DamagedDataError
from pipeline.exported import standing_exports
from pipeline.manifest import Manifest
from pipeline.progress import Outcome, Output, Stopwatch, progress_bars
from pipeline.published import numbers
from pipeline.rows import ImageRow
from pipeline.settings import DatasetSettings
from pipeline.verify_versions import export_problems, forgotten_problems, version_problems

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
    dataset = open_dataset(settings.dataset)
    watch = Stopwatch()
    with Manifest(dataset.manifest_path) as manifest:
        images = manifest.images()
        problems = list(manifest_problems(manifest))
        forgotten = {sha256 for sha256, _, _ in manifest.tombstones() if sha256}
        exports = standing_exports(manifest)
        with progress_bars(output) as bars:
            bar = bars.add("hashing", total=len(images))
            for image in images:
                problems += file_problems(dataset.root, image)
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


def file_problems(root: Path, image: ImageRow) -> list[str]:
    """Say what is wrong with one raw file: missing, or not the content that it is named for."""
    path = root / image.path
    if not path.is_file():
        return [f"{image.path} is missing"]
    try:
        same = file_sha256(path) == image.sha256
    except OSError as error:
        return [f"{image.path} cannot be read ({error.strerror})"]
    return [] if same else [f"{image.path} does not hash to its name"]


def manifest_problems(manifest: Manifest) -> Iterator[str]:
    """Yield every broken invariant of the rows."""
    for (answer,) in manifest.query("PRAGMA integrity_check"):
        if answer != "ok":
            yield f"manifest.db: {answer}"
    for broken in manifest.query("PRAGMA foreign_key_check"):
        yield f"manifest.db: a row of {broken[0]} points to a missing row of {broken[2]}"
    for name, sql in _INVARIANTS:
        for (found,) in manifest.query(sql):
            yield f"{name}: {found}"


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
