"""Adopt a folder of class folders that the user already has."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sceneset.class_list import SceneClass, label_order, name_problem, read_class_list, shown
from sceneset.dataset import Dataset, create_dataset, run_lock
from sceneset.errors import MissingInputError, UsageError
from sceneset.files.folders import LOST_LINK, SPECIAL, files_below
from sceneset.images import Limits
from sceneset.manifest.provenance import ADOPTED, file_url, source_of
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar, Outcome, Output, Stopwatch, progress_bars
from sceneset.signals import StopRequest, stop_on_request
from scraper.engines.engine import SearchResult
from scraper.reader import Fetched
from scraper.run.harvest import StopReason
from scraper.run.report import ClassResult, finish_run
from scraper.run.store import ClassStore, Tombstones
from scraper.settings import AddSettings

BATCH = 20
# A file that failed is tried again by every run: that costs no request.
_ALWAYS = 1_000_000
_DEFAULTS = AddSettings()


def add(
    folder: Annotated[Path, Parameter(help="A folder of class folders; it is not changed.")],
    /,
    *,
    settings: AddSettings = _DEFAULTS,
    output: Output = Output(),
) -> Outcome:
    """Adopt pictures you already have: each direct subfolder of FOLDER is a class.

    The files are copied; FOLDER is not changed. Every file gets a sighting, also one that is no
    picture, with the reason it was rejected; the reasons are counted. Run it again with another
    option or a missing extra, and what that lets in is added.
    """
    folders = class_folders(folder, settings.classes)
    dataset = create_dataset(settings.dataset)
    watch = Stopwatch()
    with run_lock(dataset.root, "add"), Manifest(dataset.manifest_path) as manifest:
        dataset.sweep_raw()
        known = {row.name: SceneClass(row.name, row.queries) for row in manifest.classes()}
        ids = manifest.adopt_classes(known.get(n, SceneClass(n, (n,))) for n in folders)
        run_id = manifest.start_run("add", asdict(settings) | {"folder": str(folder)}, {})
        results: dict[str, ClassResult] = {}
        passed = _outside_classes(folder)
        with stop_on_request() as stop, progress_bars(output) as bars:
            for name, place in folders.items():
                files, no_files = files_below(place)
                store = _store(dataset, manifest, ids[name], run_id, len(files))
                store.limits = Limits(settings.max_bytes, settings.max_pixels)
                reason = _adopt_class(store, files, folder, bars.add(name, len(files)), stop)
                results[name] = ClassResult(reason, store.added)
                passed += no_files + store.passed
        return finish_run(
            manifest,
            run_id,
            results,
            engine=ADOPTED,
            source=source_of(ADOPTED, {}),
            dataset=dataset,
            seconds=watch.total,
            signal_number=stop.signal_number,
            passed=passed,
        )


def class_folders(folder: Path, class_list: Path | None) -> dict[str, Path]:
    """Return class name (NFC) -> subfolder, in label order.

    Raises MissingInputError when there is no folder or no subfolder, UsageError when a subfolder's
    name cannot be a class name, is not in the class list, or equals another after case folding.
    """
    if not folder.is_dir():
        raise MissingInputError(f"no folder at {folder}", cure="name a folder of class folders")
    folders: dict[str, Path] = {}
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        name = unicodedata.normalize("NFC", place.name)
        problem = name_problem(name)
        if problem:
            raise UsageError(f"the folder {shown(name)} {problem}", cure="rename that folder")
        if name.casefold() in {other.casefold() for other in folders}:
            raise UsageError(
                f"two folders are named {shown(name)} but for case", cure="merge or rename them"
            )
        folders[name] = place
    if not folders:
        raise MissingInputError(
            f"{folder} holds no class folders", cure="put the pictures of each class in a subfolder"
        )
    ordered = {name: folders[name] for name in label_order(folders)}
    if class_list is not None:
        listed = {scene_class.name for scene_class in read_class_list(class_list)}
        unlisted = [name for name in ordered if name not in listed]
        if unlisted:
            raise UsageError(
                f"{shown(unlisted[0])} is a folder but no class of {class_list}",
                cure="add it to the class list, or rename the folder",
            )
    return ordered


def _store(
    dataset: Dataset, manifest: Manifest, class_id: int, run_id: int, files: int
) -> ClassStore:
    return ClassStore(
        dataset=dataset,
        manifest=manifest,
        engine=ADOPTED,
        class_id=class_id,
        run_id=run_id,
        target=files,
        fresh=True,
        attempts=_ALWAYS,
        tombstones=Tombstones.of(manifest.tombstones()),
    )


def _adopt_class(
    store: ClassStore, files: list[Path], folder: Path, bar: Bar, stop: StopRequest
) -> StopReason:
    store.begin("")
    for batch in _batches(files, store.limits):
        if stop:
            break
        contents = {_path_text(path): content for path, content in batch.items()}
        results = [_result(path, folder, content) for path, content in batch.items()]
        store.keep(results, contents.__getitem__)
        bar.advance(len(batch))
    return "interrupted" if stop else "end of results"


def _outside_classes(folder: Path) -> Counter[str]:
    """Count what lies in the folder itself and is no class folder."""
    passed: Counter[str] = Counter()
    for path in folder.iterdir():
        if path.is_dir():
            passed["hidden folder"] += path.name.startswith(".")
        elif path.is_file():
            passed["file outside a class folder"] += 1
        else:
            passed[SPECIAL if path.exists() else LOST_LINK] += 1
    return +passed


def _batches(files: list[Path], limits: Limits) -> Iterator[dict[Path, Fetched]]:
    """Read files, as many at a time as are of the size of one large file together."""
    batch: dict[Path, Fetched] = {}
    held = 0
    for path in files:
        content = batch[path] = _read(path, limits.bytes)
        held += len(content.data or b"")
        if len(batch) == BATCH or held >= limits.bytes:
            yield batch
            batch, held = {}, 0
    if batch:
        yield batch


def _read(path: Path, most: int) -> Fetched:
    """Read a file, no further than it takes to see that it is too large."""
    try:
        with path.open("rb") as file:
            return Fetched(file.read(most + 1))
    except OSError:
        return Fetched(None)


def _result(path: Path, folder: Path, content: Fetched) -> SearchResult:
    """Name a file by place and content: the same file again is known, a changed one is new."""
    digest = hashlib.sha256(content.data or b"").hexdigest()[:16]
    name = _path_text(path)
    return SearchResult(f"{name}#{digest}", file_url(path, folder), Path(name).name, "", name)


def _path_text(path: Path) -> str:
    """Return a path as text, with the bytes that are no UTF-8 escaped."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
