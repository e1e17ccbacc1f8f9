"""Publish a version: its folder first, then the manifest's rows, the link `current` last.

A run killed in between leaves the version before in place: a folder that it left before its rows is
removed by the next run, which knows it by a note; a committed one that `current` does not point to
yet is linked by it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate import exports
from curate.exports import PublishedPicture
from curate.findings import Findings
from curate.resize import resized
from curate.settings import CurateSettings
from pipeline.checksums import is_damaged, write_checksums
from pipeline.class_list import label_order
from pipeline.dataset import Dataset
from pipeline.durable import new_folder
from pipeline.errors import DamagedDataError
from pipeline.manifest import Manifest
from pipeline.pictures import Encoding
from pipeline.progress import Bar
from pipeline.rows import DecisionRow, SplitRow


@dataclass(frozen=True)
class Publication:
    """What a version holds; `fresh` is False when the newest version holds just that already."""

    number: int
    fresh: bool
    pictures: Sequence[PublishedPicture]
    record: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Return the version id."""
        return str(self.record["version"])


def check_unclaimed(dataset: Dataset, claimed: Collection[int]) -> None:
    """Refuse to go on beside a version that the manifest knows nothing of.

    What a killed run left is removed and made again. Any other folder was published by a newer
    manifest than this one, or put here by a person, who decides. Raises DamagedDataError, also when
    `current` is a folder instead of a link.
    """
    if dataset.current.exists() and not dataset.current.is_symlink():
        raise DamagedDataError(
            f"{dataset.current} is no link to a version",
            cure="move it elsewhere; it is made again as a link",
        )
    for number in exports.numbers(dataset.versions):
        if number not in claimed and not exports.is_unfinished(dataset, number):
            folder, name = dataset.versions / str(number), dataset.manifest_path.name
            what = _content(folder)
            raise DamagedDataError(
                f"{folder} holds {what}, and {name} knows of no run that published it",
                cure=f"restore the {name} that knows it, or move that folder elsewhere",
            )


def _content(folder: Path) -> str:
    if exports.read_record(folder) is not None:
        return "a version"
    return "files" if any(folder.iterdir()) else "nothing"


def prepare(
    findings: Findings, settings: CurateSettings, current: Path, next_number: int
) -> Publication:
    """Describe the version that the findings make: its pictures and its dataset.json."""
    rows = {row.name: row for row in findings.classes.values()}
    used = {findings.classes[p.class_id].name for p in findings.decisions.kept}
    class_names = label_order(used)
    pictures = _pictures(findings, class_names, settings.encoding)
    version = exports.version_id(pictures)
    newest = exports.read_record(current) or {}
    same = ("version", version), ("settings", settings.shaping), ("class_names", list(class_names))
    fresh = any(newest.get(name) != value for name, value in same) or is_damaged(current)
    number = next_number if fresh else int(newest["number"])
    record = {
        "schema_version": exports.SCHEMA_VERSION,
        "version": version,
        "number": number,
        "parent": newest.get("version"),
        "size": settings.size,
        "fit": settings.fit,
        "class_names": list(class_names),
        "folders": {name: rows[name].slug for name in class_names},
        "counts": exports.split_counts(pictures, class_names),
        "images": len(findings.decisions.kept) + len(findings.decisions.drops),
        "kept": len(pictures),
        "dropped": findings.decisions.counts(),
        "settings": settings.shaping,
    }
    return Publication(number, fresh, pictures, record)


def _pictures(
    findings: Findings, class_names: Sequence[str], encoding: Encoding
) -> list[PublishedPicture]:
    label = {name: position for position, name in enumerate(class_names)}
    published = []
    for picture in findings.decisions.kept:
        row = findings.classes[picture.class_id]
        split = findings.parts.split_of[picture.sha256]
        published.append(
            PublishedPicture(
                path=exports.picture_path(split, row.slug, picture.sha256, encoding),
                label=label[row.name],
                class_name=row.name,
                split=split,
                sha256=picture.sha256,
                group=findings.parts.group_of[picture.sha256],
                width=picture.width,
                height=picture.height,
                page_url=picture.page_url,
                site=picture.site,
                engine=picture.engine,
            )
        )
    return sorted(published, key=lambda p: p.path)


def write_version(
    dataset: Dataset,
    publication: Publication,
    settings: CurateSettings,
    files: Mapping[str, Path],
    *,
    make_bar: Callable[[int], Bar],
) -> None:
    """Write the version's folder (SHA-256 -> raw file in `files`), so that it appears whole."""
    places: dict[str, list[str]] = {}
    for picture in publication.pictures:
        places.setdefault(picture.sha256, []).append(picture.path)
    wanted = {sha256: files[sha256] for sha256 in places}
    bar = make_bar(len(wanted))
    with new_folder(dataset.versions / str(publication.number)) as folder:
        for place in {Path(p.path).parent for p in publication.pictures}:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for sha256, data in resized(
            wanted,
            size=settings.size,
            how=settings.fit,
            encoding=settings.encoding,
            executor=settings.executor,
        ):
            for path in places[sha256]:
                (folder / path).write_bytes(data)
            bar.advance()
        exports.write_texts(folder, publication.pictures, publication.record)
        write_checksums(folder)
        exports.note_unfinished(dataset, publication.number, folder)


def commit(
    manifest: Manifest,
    run_id: int,
    publication: Publication,
    decisions: Sequence[DecisionRow],
    *,
    class_ids: Mapping[str, int],
    counts: Mapping[str, object],
) -> None:
    """Record decisions, splits and the run's end in one transaction.

    A run that decides just what the newest one decided about an unchanged version adds no rows.
    """
    splits = [
        SplitRow(run_id, class_ids[p.class_name], p.sha256, p.group, p.split, p.path)
        for p in publication.pictures
    ]
    repeated = not publication.fresh and _recorded(manifest) == {_verdict(d) for d in decisions}
    with manifest.transaction():
        if not repeated:
            manifest.insert(decisions)
            manifest.insert(splits)
        outcome = "published" if publication.fresh else "unchanged"
        manifest.finish_run(run_id, outcome, counts)


def _verdict(row: DecisionRow) -> tuple[object, ...]:
    return row.class_id, row.sha256, row.verdict, row.reason, row.of_sha256, row.distance


def _recorded(manifest: Manifest) -> set[tuple[object, ...]]:
    """Return the decisions of the newest run that recorded any."""
    return set(
        manifest.query(
            "SELECT class_id, sha256, verdict, reason, of_sha256, distance FROM decisions"
            " WHERE run_id = (SELECT max(run_id) FROM splits)"
        )
    )
