"""Publish a version: its folder first, then the manifest's rows, the link `current` last.

A run killed in between leaves the previous version in place. The next run removes a folder left
without rows, which it recognises by a note, and links a committed one.
"""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from curate.decisions import Drop
from curate.duplicates.links import Key
from curate.publish.report import Findings
from curate.settings import CurateSettings
from sceneset import atomic
from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import altered_files, file_sha256, write_checksums
from sceneset.class_list import label_order
from sceneset.dataset import Dataset, prepare_versions
from sceneset.errors import DamagedDataError
from sceneset.images import EXTENSIONS, Encoding, Fit, encode_jpeg, encode_png, square
from sceneset.manifest.provenance import published_page
from sceneset.manifest.rows import ClassRow, DecisionRow, Split, SplitRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar
from sceneset.versions.published import (
    MANIFEST_NAME,
    RECORD_NAME,
    PublishedPicture,
    manifest_csv,
    numbers,
    read_object,
    read_record,
    record_json,
    split_counts,
    version_id,
)
from sceneset.workers import FEW, map_chunked


def picture_path(split: Split, slug: str, sha256: str, encoding: Encoding = "jpeg") -> str:
    """Return a published picture's path inside its version."""
    return f"{split}/{slug}/{sha256[:16]}.{EXTENSIONS[encoding.upper()]}"


def version_texts(
    pictures: Sequence[PublishedPicture], record: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return file name -> content of a version's texts."""
    names = "".join(f"{name}\n" for name in record["class_names"])
    return {
        "class_names.txt": names.encode(),
        MANIFEST_NAME: manifest_csv(pictures),
        RECORD_NAME: record_json(record),
    }


def note_unfinished(dataset: Dataset, number: int, folder: Path) -> None:
    """Note a version's number and checksums before its folder gets its name.

    By this note the next run recognises what a killed run left. It is removed when the link is set.
    """
    atomic.write_file(_note(dataset), record_json(_note_of(number, folder)))


def is_unfinished(dataset: Dataset, number: int) -> bool:
    """Say whether a version is exactly what a killed run left."""
    folder, note = dataset.versions / str(number), read_object(_note(dataset))
    return not altered_files(folder) and note == _note_of(number, folder)


def _note_of(number: int, folder: Path) -> dict[str, object]:
    return {"number": number, "checksums": file_sha256(folder / CHECKSUMS)}


def _note(dataset: Dataset) -> Path:
    return dataset.versions.parent / "publishing.json"


def recover(dataset: Dataset, claimed: Collection[int]) -> int:
    """Finish what a killed run left, and return the number of the next version.

    Half-written folders, and a version that a killed run left before its rows, are removed. Any
    other version that is not `claimed` belongs to a newer manifest or to a person. Raises
    DamagedDataError then, before anything is removed, and when `current` is a folder instead of a
    link. `current` is made to point to the newest version.
    """
    if dataset.current.exists() and not dataset.current.is_symlink():
        raise DamagedDataError(
            f"{dataset.current} is no link to a version",
            cure="move it elsewhere; it is made again as a link",
        )
    unclaimed = [number for number in numbers(dataset.versions) if number not in claimed]
    for number in unclaimed:
        _check_unfinished(dataset, number)
    following = prepare_versions(dataset.versions)
    atomic.remove_parts(dataset.root)
    for number in unclaimed:
        remove_version(dataset, number)
    published = numbers(dataset.versions)
    if published:
        point_to(dataset, published[-1])
    return max([following, *(number + 1 for number in claimed)])


def _check_unfinished(dataset: Dataset, number: int) -> None:
    if not is_unfinished(dataset, number):
        folder, name = dataset.versions / str(number), dataset.manifest_path.name
        what = "files" if any(folder.iterdir()) else "nothing"
        what = what if read_record(folder) is None else "a version"
        raise DamagedDataError(
            f"{folder} holds {what}, and {name} knows of no run that published it",
            cure=f"restore the {name} that knows it, or move that folder elsewhere",
        )


def point_to(dataset: Dataset, number: int) -> None:
    """Make `current` the link to a version, unless it is; no version is unfinished then."""
    target = f"versions/{number}"
    if not dataset.current.is_symlink() or dataset.current.readlink() != Path(target):
        atomic.swap_link(dataset.current, target)
    _note(dataset).unlink(missing_ok=True)


def prune(dataset: Dataset, keep: int) -> None:
    """Remove all but the newest versions."""
    for number in numbers(dataset.versions)[:-keep]:
        remove_version(dataset, number)


def remove_version(dataset: Dataset, number: int) -> None:
    """Remove a version; it is renamed first, so that readers see it whole or not at all."""
    aside = dataset.versions / f"{atomic.PART_PREFIX}removed-{number}"
    shutil.rmtree(aside, ignore_errors=True)
    (dataset.versions / str(number)).rename(aside)
    shutil.rmtree(aside)


def write_quarantine(
    dataset: Dataset,
    drops: Mapping[Key, Drop],
    raw_paths: Mapping[str, str],
    classes: Mapping[int, ClassRow],
) -> None:
    """Rebuild the folder of links to what was left out, and put it in place whole."""
    fresh = dataset.root / f"{atomic.PART_PREFIX}quarantine-new"
    with atomic.new_folder(fresh) as part:
        for (class_id, sha256), drop in drops.items():
            raw = raw_paths[sha256]
            link = part / drop.reason / f"{classes[class_id].slug}__{sha256[:16]}{Path(raw).suffix}"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(Path("../..") / raw)
    atomic.put_in_place(fresh, dataset.quarantine)
    shutil.rmtree(fresh, ignore_errors=True)


def resize_file(path: str, *, size: int, how: Fit, encoding: Encoding = "jpeg") -> bytes:
    """Return a picture file as a JPEG (quality 95, no subsampling) or PNG of size x size px.

    Raises PictureError or OSError.
    """
    picture = square(Path(path).read_bytes(), size, how)
    return encode_png(picture) if encoding == "png" else encode_jpeg(picture)


@dataclass(frozen=True)
class Publication:
    """What a version holds; `fresh` is False when the newest version holds just that already."""

    number: int
    fresh: bool
    pictures: Sequence[PublishedPicture]
    record: Mapping[str, Any]


def prepare(
    findings: Findings, settings: CurateSettings, current: Path, next_number: int
) -> Publication:
    """Describe the version that the findings make: its pictures and its dataset.json."""
    rows = {row.name: row for row in findings.classes.values()}
    class_names = label_order({findings.classes[p.class_id].name for p in findings.decisions.kept})
    pictures = _pictures(findings, class_names, settings.encoding)
    newest = read_record(current) or {}
    same = {
        "version": version_id(pictures),
        "settings": settings.shaping,
        "class_names": list(class_names),
    }
    fresh = any(newest.get(name) != same[name] for name in same) or bool(altered_files(current))
    number = next_number if fresh else int(newest["number"])
    record = {
        "schema_version": 1,
        "version": same["version"],
        "number": number,
        "parent": newest.get("version"),
        "size": settings.size,
        "fit": settings.fit,
        "class_names": list(class_names),
        "folders": {name: rows[name].slug for name in class_names},
        "counts": split_counts(pictures, class_names),
        "images": len(findings.decisions.kept) + len(findings.decisions.drops),
        "kept": len(pictures),
        "dropped": findings.decisions.counts(),
        "settings": settings.shaping,
    }
    return Publication(number, fresh, pictures, record)


def _pictures(
    findings: Findings, class_names: Sequence[str], encoding: Encoding
) -> list[PublishedPicture]:
    published = []
    for picture in findings.decisions.kept:
        row = findings.classes[picture.class_id]
        split = findings.parts.split_of[picture.sha256]
        published.append(
            PublishedPicture(
                path=picture_path(split, row.slug, picture.sha256, encoding),
                label=class_names.index(row.name),
                class_name=row.name,
                split=split,
                sha256=picture.sha256,
                group=findings.parts.group_of[picture.sha256],
                width=picture.width,
                height=picture.height,
                page_url=published_page(picture.page_url),
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
    """Write the version's folder (SHA-256 -> raw file in `files`), so that it appears whole.

    Raises DamagedDataError when a picture cannot be read or decoded.
    """
    places: dict[str, list[str]] = {}
    for picture in publication.pictures:
        places.setdefault(str(files[picture.sha256]), []).append(picture.path)
    resize = partial(resize_file, size=settings.size, how=settings.fit, encoding=settings.encoding)
    bar = make_bar(len(places))
    with atomic.new_folder(dataset.versions / str(publication.number)) as folder:
        for place in {Path(p.path).parent for p in publication.pictures}:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for result in map_chunked(resize, list(places), settings.executor, few=FEW):
            if result.value is None:
                raise DamagedDataError(
                    f"{result.item} can no longer be decoded: {result.error}",
                    cure="run verify; restore the file from a copy, or remove it with forget",
                )
            for path in places[result.item]:
                (folder / path).write_bytes(result.value)
            bar.advance()
        for name, text in version_texts(publication.pictures, publication.record).items():
            (folder / name).write_bytes(text)
        write_checksums(folder)
        note_unfinished(dataset, publication.number, folder)


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
    verdicts = {astuple(row)[1:] for row in decisions}
    newest = manifest.query(
        "SELECT class_id, sha256, verdict, reason, of_sha256, distance FROM decisions"
        " WHERE run_id = (SELECT max(run_id) FROM splits)"
    )
    repeated = not publication.fresh and set(newest) == verdicts
    with manifest.transaction():
        if not repeated:
            manifest.insert(decisions)
            manifest.insert(splits)
        outcome = "published" if publication.fresh else "unchanged"
        manifest.finish_run(run_id, outcome, counts)
