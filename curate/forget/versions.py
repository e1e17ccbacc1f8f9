"""Take pictures out of published versions: each is put in place again whole, under a new id."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from curate.export.replace import ASIDE, put_in_place
from curate.publish.version import point_to, version_texts
from sceneset import atomic
from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import checksum_lines, file_sha256, read_checksums
from sceneset.class_list import label_order
from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.versions.published import (
    MANIFEST_NAME,
    PublishedPicture,
    numbers,
    read_pictures,
    read_record,
    split_counts,
    version_id,
    version_number,
)

BEFORE = "versions_before"


def labelled(pictures: Sequence[PublishedPicture]) -> list[PublishedPicture]:
    """Renumber the classes: one of which nothing is left is no class any more."""
    names = label_order({p.class_name for p in pictures})
    return [replace(p, label=names.index(p.class_name)) for p in pictures]


def reduced(
    record: Mapping[str, Any],
    left: Sequence[PublishedPicture],
    removed: int,
    drops: Counter[str] | None,
) -> dict[str, Any]:
    """Return a version's record without the pictures that went."""
    names = list(label_order({p.class_name for p in left}))
    dropped = dict(sorted(drops.items())) if drops is not None else _counts(record.get("dropped"))
    earlier = _forgotten(record).get("pictures")
    return {
        **record,
        "version": version_id(left),
        "class_names": names,
        "folders": {n: f for n, f in _mapping(record.get("folders")).items() if n in names},
        "counts": split_counts(left, names),
        "images": len(left) + sum(dropped.values()),
        "kept": len(left),
        "dropped": dropped,
        "forgotten": {
            "pictures": (earlier if isinstance(earlier, int) else 0) + removed,
            BEFORE: [*ids_before(record), record.get("version", "")],
        },
    }


def ids_before(record: Mapping[str, Any]) -> list[str]:
    """Return the ids that a version had before pictures were taken out, oldest first."""
    before = _forgotten(record).get(BEFORE)
    return list(map(str, before)) if isinstance(before, list) else []


def _forgotten(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says was forgotten before, or nothing when it says so in no known way."""
    return _mapping(record.get("forgotten"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: object) -> dict[str, int]:
    return {name: n for name, n in _mapping(value).items() if isinstance(n, int)}


_FRESH = f"{atomic.PART_PREFIX}forget-"


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
    return {*ids_before(record), *([str(record["version"])] if "version" in record else [])}


def successors(dataset: Dataset) -> dict[str, str]:
    """Return version id -> id that its version has now, of versions that pictures were taken from."""
    records = [read_record(dataset.versions / str(n)) or {} for n in numbers(dataset.versions)]
    return {before: str(r["version"]) for r in records for before in ids_before(r)}


def take_out(
    dataset: Dataset, gone: Collection[str], drops: Mapping[int, Counter[str]]
) -> list[Rewritten]:
    """Take contents out of every version; say what became of those that held any.

    `drops` has, per version number, how many pictures its run left out by reason. Readers see each
    version as before or as after, but for one of which nothing is left: that goes, and `current`
    points to the newest other, or is gone too.
    """
    restore(dataset)
    atomic.remove_parts(dataset.versions)
    return [
        _rewrite(dataset, number, gone, drops=drops.get(number)) for number in held(dataset, gone)
    ]


def restore(dataset: Dataset) -> None:
    """Put back versions that a kill left missing between two renames, as they were if there is one.

    Call with the lock held, before parts are removed.
    """
    for ending in (ASIDE, ""):
        for part in dataset.versions.glob(f"{_FRESH}*"):
            number = part.name.removeprefix(_FRESH).removesuffix(ending)
            if version_number(number) and not (dataset.versions / number).exists():
                part.rename(dataset.versions / number)


def _going(folder: Path, gone: Collection[str]) -> set[str]:
    """Return the files of a version that hold contents which go, as it lists or still names them.

    A list that is damaged may lack a picture whose file is there, or name one whose file is not.
    """
    short = {sha256[:16] for sha256 in gone}
    listed = {p.path for p in _pictures(folder) or () if p.sha256 in gone}
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    named = {name for name in names | _checksums(folder).keys() if Path(name).stem in short}
    return listed | named | _naming(folder, short)


def _naming(folder: Path, short: Collection[str]) -> set[str]:
    """Return manifest.csv, when it cannot be read as one and its text names any of the contents."""
    if _pictures(folder) is not None or not (folder / MANIFEST_NAME).is_file():
        return set()
    return {MANIFEST_NAME} if _names(short)((folder / MANIFEST_NAME).read_bytes()) else set()


def _names(short: Collection[str]) -> Callable[[bytes], object]:
    return re.compile(b"|".join(map(re.escape, map(str.encode, sorted(short)))) or b"(?!)").search


def _pictures(folder: Path) -> list[PublishedPicture] | None:
    """Return the pictures of a version, or None when its manifest.csv cannot be read."""
    try:
        return read_pictures(folder)
    except DamagedDataError:
        return None


def _checksums(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 as a version lists them, nothing when it does not."""
    try:
        return read_checksums(folder)
    except OSError:
        return {}


def _rewrite(
    dataset: Dataset, number: int, gone: Collection[str], *, drops: Counter[str] | None
) -> Rewritten:
    folder = dataset.versions / str(number)
    record = read_record(folder) or {}
    before = str(record.get("version", ""))
    going = _going(folder, gone)
    pictures = _pictures(folder)
    left = [p for p in pictures or () if p.sha256 not in gone]
    if pictures is not None and not left:
        _remove(dataset, number)
        return Rewritten(number, before, "", len(going))
    if pictures is None:  # damaged anyway; `verify` goes on saying so
        texts, after = _without(folder, gone), ""
    else:
        left = labelled(left)
        record = reduced(record, left, len(going), drops)
        texts, after = version_texts(left, record), str(record["version"])
    fresh = dataset.versions / f"{_FRESH}{number}"
    with atomic.new_folder(fresh) as part:
        _fill(part, folder, going - texts.keys(), texts)
    put_in_place(fresh, folder)
    shutil.rmtree(fresh)
    return Rewritten(number, before, after, len(going))


def _without(folder: Path, gone: Collection[str]) -> dict[str, bytes]:
    """Return a manifest.csv that cannot be read, without its lines that name any of the contents."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return {}
    names = _names({sha256[:16] for sha256 in gone})
    lines = path.read_bytes().split(b"\n")
    return {MANIFEST_NAME: b"\n".join(line for line in lines if not names(line))}


def _fill(part: Path, folder: Path, going: Collection[str], texts: Mapping[str, bytes]) -> None:
    """Fill a version's new folder with links to the files that stay, and with new texts.

    The checksums of what stays are those that were published, and a text that was damaged gets no
    new one: damage stays visible.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in going and name not in texts and name != CHECKSUMS:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            _link(path, part / name)
    for name, data in texts.items():
        (part / name).write_bytes(data)
    if (folder / CHECKSUMS).is_file():
        sums = {n: digest for n, digest in _checksums(folder).items() if n not in going}
        whole = [n for n in texts if n in sums and _is_file(folder / n, sums[n])]
        fresh = {name: sha256_of(texts[name]).hexdigest() for name in whole}
        (part / CHECKSUMS).write_bytes(checksum_lines(sums | fresh))


def _is_file(path: Path, digest: str) -> bool:
    return path.is_file() and file_sha256(path) == digest


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
    aside = dataset.versions / f"{atomic.PART_PREFIX}removed-{number}"
    (dataset.versions / str(number)).rename(aside)
    shutil.rmtree(aside)
