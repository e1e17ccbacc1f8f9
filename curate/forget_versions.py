"""Take pictures out of published versions: each is put in place again whole, under a new id."""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from curate.export_folder import ASIDE, put_in_place
from curate.exports import point_to, version_texts
from pipeline import durable
from pipeline.checksums import NAME as CHECKSUMS
from pipeline.checksums import write_checksums
from pipeline.class_list import label_order
from pipeline.dataset import Dataset
from pipeline.errors import DamagedDataError
from pipeline.published import (
    PublishedPicture,
    numbers,
    read_pictures,
    read_record,
    split_counts,
    version_id,
)

BEFORE = "versions_before"
_FRESH = f"{durable.PART_PREFIX}forget-"


@dataclass(frozen=True)
class Rewritten:
    """What became of one version; `after` is empty when nothing was left of it."""

    number: int
    before: str
    after: str
    removed: int


def held(dataset: Dataset, gone: Collection[str]) -> dict[int, int]:
    """Return version number -> how many of its pictures are to go."""
    counts = {n: len(_going(dataset.versions / str(n), gone)) for n in numbers(dataset.versions)}
    return {number: count for number, count in counts.items() if count}


def ids_of(dataset: Dataset, number: int) -> set[str]:
    """Return the id of a version and those it had before pictures were taken out."""
    record = read_record(dataset.versions / str(number)) or {}
    return {*_ids_before(record), *([str(record["version"])] if "version" in record else [])}


def successors(dataset: Dataset) -> dict[str, str]:
    """Return version id -> id that its version has now, of versions that pictures were taken from."""
    records = [read_record(dataset.versions / str(n)) or {} for n in numbers(dataset.versions)]
    return {before: str(r["version"]) for r in records for before in _ids_before(r)}


def take_out(
    dataset: Dataset, gone: Collection[str], drops: Mapping[int, Counter[str]]
) -> list[Rewritten]:
    """Take contents out of every version; say what became of those that held any.

    `drops` has, per version number, how many pictures its run left out by reason. Readers see each
    version as before or as after, but for one of which nothing is left: that goes, and `current`
    points to the newest other, or is gone too.
    """
    restore(dataset)
    durable.remove_parts(dataset.versions)
    done = []
    for number in held(dataset, gone):
        folder = dataset.versions / str(number)
        pictures = _pictures(folder)
        if pictures is None:
            removed = _strip(folder, gone)
            done.append(Rewritten(number, "", "", removed))
        else:
            done.append(_rewrite(dataset, number, pictures, gone, drops=drops.get(number)))
    return done


def restore(dataset: Dataset) -> None:
    """Put back versions that a kill left missing between two renames, as they were if there is one.

    Call with the lock held, before parts are removed.
    """
    for ending in (ASIDE, ""):
        for part in dataset.versions.glob(f"{_FRESH}*"):
            number = part.name.removeprefix(_FRESH).removesuffix(ending)
            if number.isdecimal() and not (dataset.versions / number).exists():
                part.rename(dataset.versions / number)


def _going(folder: Path, gone: Collection[str]) -> list[Path]:
    """Return the files of a version that hold contents which go."""
    pictures = _pictures(folder)
    if pictures is not None:
        return [folder / p.path for p in pictures if p.sha256 in gone]
    short = {sha256[:16] for sha256 in gone}
    return [path for path in folder.rglob("*") if path.stem in short]


def _pictures(folder: Path) -> list[PublishedPicture] | None:
    """Return the pictures of a version, or None when its manifest.csv cannot be read."""
    try:
        return read_pictures(folder)
    except DamagedDataError:
        return None


def _strip(folder: Path, gone: Collection[str]) -> int:
    """Remove pictures from a version that is damaged anyway; `verify` goes on saying so."""
    files = _going(folder, gone)
    for path in files:
        path.unlink()
    return len(files)


def _rewrite(
    dataset: Dataset,
    number: int,
    pictures: Sequence[PublishedPicture],
    gone: Collection[str],
    *,
    drops: Counter[str] | None,
) -> Rewritten:
    folder = dataset.versions / str(number)
    record = read_record(folder) or {}
    before = str(record.get("version", ""))
    left = [p for p in pictures if p.sha256 not in gone]
    removed = len(pictures) - len(left)
    if not left:
        _remove(dataset, number)
        return Rewritten(number, before, "", removed)
    left = _labelled(left)
    record = _reduced(record, left, removed, drops)
    fresh = dataset.versions / f"{_FRESH}{number}"
    with durable.new_folder(fresh) as part:
        _fill(part, folder, {p.path for p in pictures} - {p.path for p in left}, left, record)
    put_in_place(fresh, folder)
    shutil.rmtree(fresh)
    return Rewritten(number, before, str(record["version"]), removed)


def _labelled(pictures: Sequence[PublishedPicture]) -> list[PublishedPicture]:
    """Renumber the classes: one of which nothing is left is no class any more."""
    names = label_order({p.class_name for p in pictures})
    return [replace(p, label=names.index(p.class_name)) for p in pictures]


def _reduced(
    record: Mapping[str, Any],
    left: Sequence[PublishedPicture],
    removed: int,
    drops: Counter[str] | None,
) -> dict[str, Any]:
    """Return a version's record without the pictures that went."""
    names = list(label_order({p.class_name for p in left}))
    dropped = dict(sorted(drops.items())) if drops is not None else record.get("dropped", {})
    earlier = _forgotten(record).get("pictures")
    return {
        **record,
        "version": version_id(left),
        "class_names": names,
        "folders": {n: f for n, f in record.get("folders", {}).items() if n in names},
        "counts": split_counts(left, names),
        "images": len(left) + sum(dropped.values()),
        "kept": len(left),
        "dropped": dropped,
        "forgotten": {
            "pictures": (earlier if isinstance(earlier, int) else 0) + removed,
            BEFORE: [*_ids_before(record), record.get("version", "")],
        },
    }


def _ids_before(record: Mapping[str, Any]) -> list[str]:
    before = _forgotten(record).get(BEFORE)
    return list(map(str, before)) if isinstance(before, list) else []


def _forgotten(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says was forgotten before, or nothing when it says so in no known way."""
    said = record.get("forgotten")
    return said if isinstance(said, dict) else {}


def _fill(
    part: Path,
    folder: Path,
    going: Collection[str],
    left: Sequence[PublishedPicture],
    record: Mapping[str, Any],
) -> None:
    """Fill a version's new folder with links to the files that stay, and with new texts.

    The checksums of what stays are those that were published: damage stays visible.
    """
    texts = version_texts(left, record)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in going and name not in texts and name != CHECKSUMS:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            _link(path, part / name)
    for name, data in texts.items():
        (part / name).write_bytes(data)
    sums = folder / CHECKSUMS
    if not sums.is_file():
        write_checksums(part)
        return
    fresh = {name: sha256_of(data).hexdigest() for name, data in texts.items()}
    rows = [(line[:64], line[66:]) for line in sums.read_text(encoding="utf-8").splitlines()]
    lines = [f"{fresh.get(name, digest)}  {name}\n" for digest, name in rows if name not in going]
    (part / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # a file system without links
        shutil.copyfile(path, place)


def _remove(dataset: Dataset, number: int) -> None:
    """Remove a version of which nothing is left, `current` first."""
    others = [n for n in numbers(dataset.versions) if n != number]
    if dataset.current.is_symlink() and dataset.current.readlink().name == str(number):
        if others:
            point_to(dataset, others[-1])
        else:
            dataset.current.unlink()
    aside = dataset.versions / f"{durable.PART_PREFIX}removed-{number}"
    (dataset.versions / str(number)).rename(aside)
    shutil.rmtree(aside)
