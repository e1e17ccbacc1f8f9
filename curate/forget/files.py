"""Take forgotten pictures out of a data set's folders and versions; find what was made of them.

A version that held any is put in place again whole, under a new id.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from curate.publish.version import point_to, remove_version, version_texts
from sceneset import atomic
from sceneset.bundle.reader import BUNDLE_NAME
from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import checksum_lines, file_sha256, read_checksums
from sceneset.class_list import label_order
from sceneset.dataset import LOCK_NAME, Dataset, run_lock
from sceneset.errors import UsageError
from sceneset.versions.published import (
    MANIFEST_NAME,
    PublishedPicture,
    numbers,
    read_object,
    read_record,
    split_counts,
    version_id,
    version_number,
)
from sceneset.versions.verify import readable_pictures

_SHORT = 16
_HEX_RUN = re.compile(rb"[0-9a-f]{16,64}")
_TEXTS = {".html", ".json", ".csv", ".txt"}
# Key of the ids that a version had before pictures were taken out of it.
_BEFORE = "versions_before"
_FRESH = f"{atomic.PART_PREFIX}forget-"


def check_inside(dataset: Dataset) -> None:
    """Raise UsageError when a folder that forget removes from lies outside of the data set.

    Nothing is removed through a link into another data set.
    """
    root = dataset.root.resolve()
    curated = dataset.versions.parent
    folders = (dataset.raw, curated, dataset.versions, dataset.root / "cache", dataset.report(""))
    for folder in (*folders, dataset.quarantine):
        # Links beside the versions are no versions and are not followed.
        inside = () if folder == dataset.versions else folder.glob("*")
        for path in (folder, *(p for p in inside if p.is_symlink() and p.is_dir())):
            if not path.resolve().is_relative_to(root):
                raise UsageError(
                    f"{path} leads out of the data set {dataset.root}, to {path.resolve()}",
                    cure="replace the link by a folder of the data set's own, then forget again",
                )


def raw_files(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the raw files of contents, whatever their ending."""
    return [path for s in sorted(gone) for path in sorted((dataset.raw / s[:2]).glob(f"{s}.*"))]


def quarantine_links(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the links of quarantine/ to contents."""
    links = (path for path in dataset.quarantine.rglob("*") if path.is_symlink())
    return sorted(path for path in links if path.readlink().stem in gone)


def reports_of(dataset: Dataset, gone: Collection[str]) -> list[Path]:
    """Return the reports that show or name contents."""
    folders = (p for p in dataset.report("").glob("*") if p.is_dir())
    return sorted(folder for folder in folders if _names_any(folder, gone))


def other_folders_with(dataset: Dataset, gone: Collection[str]) -> list[str]:
    """Return a user's own folders beside the versions that hold or name contents."""
    others = (
        p for p in dataset.versions.glob("*") if version_number(p.name) is None or p.is_symlink()
    )
    folders = (p for p in others if p.is_dir() and not p.name.startswith(atomic.PART_PREFIX))
    return sorted(str(folder) for folder in folders if _names_any(folder.resolve(), gone))


def _names_any(folder: Path, gone: Iterable[str]) -> bool:
    short = {sha256[:_SHORT].encode() for sha256 in gone}
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes() if path.suffix in _TEXTS else b""
            runs = _HEX_RUN.findall(path.name.encode() + b"\n" + text)
            if any(run[:_SHORT] in short for run in runs):
                return True
    return False


def caches(dataset: Dataset) -> list[Path]:
    """Return everything below cache/ that can be computed again."""
    cache = dataset.root / "cache"
    children = [p for p in cache.glob("*") if p.name != "embeddings"]
    inside = [p for p in (cache / "embeddings").glob("*") if p.name != LOCK_NAME]
    return sorted(children + inside)


@contextmanager
def exclusive_locks(dataset: Dataset) -> Iterator[None]:
    """Hold the locks of runs, of readers of versions and of writers of embeddings.

    Raises LockedError.
    """
    with ExitStack() as locks:
        embeddings = dataset.root / "cache" / "embeddings"
        for folder in (dataset.root, dataset.versions.parent, embeddings):
            if folder.is_dir():
                locks.enter_context(run_lock(folder, "forget"))
        yield


def sweep(dataset: Dataset, gone: Collection[str]) -> None:
    """Remove raw files, links, reports and caches of contents; missing ones are no error."""
    for path in (*raw_files(dataset, gone), *quarantine_links(dataset, gone)):
        path.unlink(missing_ok=True)
    for folder in dataset.quarantine.glob("*"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for path in (*reports_of(dataset, gone), *caches(dataset)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    atomic.remove_parts(dataset.root)
    dataset.sweep_raw()


def bundles_trained_on(
    models: Path, recorded: Iterable[Path], versions: Collection[str]
) -> list[str]:
    """Return the bundles below a folder, or recorded, that were trained on any of the versions."""
    folders = {*(path.parent for path in models.glob(f"**/{BUNDLE_NAME}")), *recorded}
    bundles = {folder.resolve(): read_object(folder / BUNDLE_NAME) or {} for folder in folders}
    return sorted(str(f) for f in bundles if str(bundles[f].get("dataset_version")) in versions)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def files_to_remove(dataset: Dataset, gone: Collection[str]) -> dict[int, set[str]]:
    """Return version number -> its files that are to be removed, of versions that hold any."""
    files = {n: _files_with(dataset.versions / str(n), gone) for n in numbers(dataset.versions)}
    return {number: names for number, names in files.items() if names}


def ids_of(dataset: Dataset, number: int) -> set[str]:
    """Return the id of a version and those it had before pictures were taken out."""
    record = read_record(dataset.versions / str(number)) or {}
    return {*_ids_before(record), *([str(record["version"])] if "version" in record else [])}


def _ids_before(record: Mapping[str, Any]) -> list[str]:
    ids = _mapping(record.get("forgotten")).get(_BEFORE)
    return list(map(str, ids)) if isinstance(ids, list) else []


def successors(dataset: Dataset) -> dict[str, str]:
    """Return version id -> id that its version has now, of versions that pictures were taken from."""
    records = [read_record(dataset.versions / str(n)) or {} for n in numbers(dataset.versions)]
    return {before: str(r["version"]) for r in records for before in _ids_before(r)}


def take_out(
    dataset: Dataset, gone: Collection[str], drops: Mapping[int, Counter[str]]
) -> list[dict[str, Any]]:
    """Take contents out of every version; say what became of those that held any.

    `drops` has, per version number, how many pictures its run left out by reason. Readers see each
    version as before or as after. One of which nothing is left is removed (`after`, its id, is
    empty), and `current` points to the newest other, or is removed too.
    """
    restore_versions(dataset)
    atomic.remove_parts(dataset.versions)
    return [
        _rewrite(dataset, number, gone, going, drops.get(number))
        for number, going in files_to_remove(dataset, gone).items()
    ]


def restore_versions(dataset: Dataset) -> None:
    """Put back versions left missing between two renames, as they were if there is one.

    Call with the lock held, before parts are removed.
    """
    for ending in (atomic.ASIDE, ""):
        for part in dataset.versions.glob(f"{_FRESH}*"):
            number = part.name.removeprefix(_FRESH).removesuffix(ending)
            if version_number(number) and not (dataset.versions / number).exists():
                part.rename(dataset.versions / number)


def _files_with(folder: Path, gone: Collection[str]) -> set[str]:
    """Return the files of a version that hold or name contents to remove.

    A list that is damaged may lack a picture whose file is there, or name one whose file is not.
    """
    short = {sha256[:_SHORT] for sha256 in gone}
    pictures = readable_pictures(folder)
    listed = {p.path for p in pictures or () if p.sha256 in gone}
    if pictures is None and (folder / MANIFEST_NAME).is_file():
        text = (folder / MANIFEST_NAME).read_bytes()
        listed |= {MANIFEST_NAME} if _without_lines(text, gone) != text else set()
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    return listed | {n for n in names | _checksums(folder).keys() if Path(n).stem in short}


def _without_lines(text: bytes, gone: Iterable[str]) -> bytes:
    """Return a manifest.csv that cannot be read, without its lines that name any of the contents."""
    names = [sha256[:_SHORT].encode() for sha256 in gone]
    lines = text.split(b"\n")
    return b"\n".join(line for line in lines if not any(name in line for name in names))


def _checksums(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 as a version lists them, nothing when it does not."""
    try:
        return read_checksums(folder)
    except OSError:
        return {}


def _rewrite(
    dataset: Dataset,
    number: int,
    gone: Collection[str],
    going: set[str],
    drops: Counter[str] | None,
) -> dict[str, Any]:
    folder = dataset.versions / str(number)
    record = read_record(folder) or {}
    rewritten = {
        "number": number,
        "before": str(record.get("version", "")),
        "after": "",
        "removed": len(going),
    }
    pictures = readable_pictures(folder)
    if pictures is None:  # damaged before; `verify` goes on saying so
        manifest = folder / MANIFEST_NAME
        lists = [manifest] if MANIFEST_NAME in going else []
        texts = {path.name: _without_lines(path.read_bytes(), gone) for path in lists}
    elif left := [p for p in pictures if p.sha256 not in gone]:
        record = _reduced(record, left, len(going), drops)
        names = record["class_names"]
        labelled = [replace(p, label=names.index(p.class_name)) for p in left]
        texts = version_texts(labelled, record)
        rewritten["after"] = str(record["version"])
    else:
        _remove(dataset, number)
        return rewritten
    fresh = dataset.versions / f"{_FRESH}{number}"
    with atomic.new_folder(fresh) as part:
        _fill(part, folder, going - texts.keys(), texts)
    atomic.put_in_place(fresh, folder)
    shutil.rmtree(fresh)
    return rewritten


def _reduced(
    record: Mapping[str, Any],
    left: Sequence[PublishedPicture],
    removed: int,
    drops: Counter[str] | None,
) -> dict[str, Any]:
    """Return a version's record without the removed pictures; a class without any is dropped."""
    names = list(label_order({p.class_name for p in left}))
    counts = _mapping(record.get("dropped")) if drops is None else dict(sorted(drops.items()))
    dropped = {reason: n for reason, n in counts.items() if isinstance(n, int)}
    earlier = _mapping(record.get("forgotten")).get("pictures")
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
            _BEFORE: [*_ids_before(record), record.get("version", "")],
        },
    }


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
        for name, data in texts.items():
            published = folder / name
            if name in sums and published.is_file() and file_sha256(published) == sums[name]:
                sums[name] = sha256_of(data).hexdigest()
        (part / CHECKSUMS).write_bytes(checksum_lines(sums))


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
    remove_version(dataset, number)
