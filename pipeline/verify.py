"""Check every stored file and every invariant of a data set, and change nothing."""

from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.checksums import altered_files, file_sha256
from pipeline.dataset import Dataset, open_dataset
from pipeline.errors import DamagedDataError
from pipeline.manifest import Manifest
from pipeline.progress import Outcome, Output, Stopwatch, progress_bars
from pipeline.published import numbers, read_pictures
from pipeline.rows import ImageRow
from pipeline.settings import DatasetSettings

SHOWN = 20
FORGET_AGAIN = "run the same forget again"
_CURE = "scrape or add again puts raw files back; curate publishes a whole version again"
_NAME_DIGITS = 16
_DEFAULTS = DatasetSettings()


def verify(*, settings: DatasetSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Re-hash every picture and check the manifest's invariants; exit 5 when anything is wrong."""
    dataset = open_dataset(settings.dataset)
    watch = Stopwatch()
    with Manifest(dataset.manifest_path) as manifest:
        images = manifest.images()
        problems = list(manifest_problems(manifest))
        forgotten = {sha256 for sha256, _, _ in manifest.tombstones() if sha256}
        with progress_bars(output) as bars:
            bar = bars.add("hashing", total=len(images))
            for image in images:
                problems += file_problems(dataset.root, image)
                bar.advance()
    orphans = orphan_files(dataset, images)
    problems += version_problems(dataset)
    unforgotten = forgotten_problems(dataset, forgotten)
    problems += unforgotten
    summary = {
        "dataset": str(dataset.root),
        "images": len(images),
        "problems": problems,
        "orphans": len(orphans),
        "seconds": watch.total,
    }
    if not problems:
        spare = f"; {len(orphans)} files without a row, harmless" if orphans else ""
        return Outcome(summary, (f"{len(images)} pictures and all invariants hold{spare}",))
    more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    return Outcome(
        summary,
        (*problems[:SHOWN], *more),
        exit_code=DamagedDataError.exit_code,
        problem=f"{len(problems)} problems in {dataset.root}, the first: {(unforgotten or problems)[0]}",
        cure=FORGET_AGAIN if unforgotten else _CURE,
    )


def file_problems(root: Path, image: ImageRow) -> list[str]:
    """Say what is wrong with one raw file: missing, or not the content that it is named for."""
    path = root / image.path
    if not path.is_file():
        return [f"{image.path} is missing"]
    if file_sha256(path) != image.sha256:
        return [f"{image.path} does not hash to its name"]
    return []


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


def version_problems(dataset: Dataset) -> list[str]:
    """Say what is wrong with the published version: a link to nothing, files altered or missing."""
    if not dataset.current.is_symlink():
        return []
    folder = dataset.current.resolve()
    if not folder.is_dir():
        return [f"curated/current points to {folder.name}, which is missing"]
    try:
        return [f"version {folder.name}: {problem}" for problem in altered_files(folder)]
    except OSError as error:
        return [f"version {folder.name}: its checksums cannot be read ({error.strerror})"]


def forgotten_problems(dataset: Dataset, forgotten: Collection[str]) -> list[str]:
    """Say which contents are still in raw/ or a published version that were to be forgotten."""
    raw = {path.stem for path in dataset.raw.glob("*/*")} if forgotten else set()
    problems = [f"raw/ still holds {sha256}, which is forgotten" for sha256 in raw & {*forgotten}]
    for number in numbers(dataset.versions):
        held = held_of(dataset.versions / str(number), forgotten)
        problems += [f"version {number} still holds {s}, which is forgotten" for s in held]
    return sorted(problems)


def held_of(version: Path, contents: Collection[str]) -> list[str]:
    """Return which contents a version holds: by manifest.csv, or by file names if it is damaged."""
    if not contents:
        return []
    try:
        held = {picture.sha256 for picture in read_pictures(version)}
    except DamagedDataError:
        names = {path.stem for path in version.rglob("*")}
        return sorted(sha256 for sha256 in contents if sha256[:_NAME_DIGITS] in names)
    return sorted(held & set(contents))
