"""Run export: write a published version in a format that other tools read, with its card.

It takes the place of an earlier export, unless a person changed that.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.export.card import card
from curate.export.formats import FORMATS
from curate.export.samples import Version, open_version
from curate.settings import MB, ExportSettings, FormatName
from sceneset import atomic
from sceneset.checksums import NAME as CHECKSUMS
from sceneset.checksums import altered_files, read_checksums, write_checksums
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import CannotWriteError, UsageError
from sceneset.manifest.rows import SPLITS
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output, Stopwatch, progress_bars
from sceneset.versions.published import record_json
from sceneset.versions.verify import MARK


def export(*, settings: ExportSettings, output: Output = Output()) -> Outcome:
    """Write a published version in a format that other tools read, with its card.

    The same version gives the same bytes. OUT appears whole or not at all.
    """
    dataset = Dataset.open(settings.dataset)
    watch = Stopwatch()
    check_replaceable(settings.out, keep_out_of=dataset.root)
    with run_lock(dataset.root, "export"), Manifest(dataset.manifest_path) as manifest:
        folder = dataset.version(settings.version)
        version = open_version(dataset, manifest, folder, settings.shard_bytes)
        with _recorded(manifest, settings, version), progress_bars(output) as bars:
            bar = bars.add("exporting", sum(map(len, version.samples.values())))
            with replaced_folder(settings.out, keep_out_of=dataset.root) as part:
                write_export(part, replace(version, advance=bar.advance), settings.format)
    summary = _summary(settings, version, watch.total)
    return Outcome(summary, _lines(summary))


def write_export(folder: Path, version: Version, name: FormatName) -> None:
    """Write a format's files, the card, export.json and SHA256SUMS into an empty folder."""
    written = FORMATS[name](version, folder)
    (folder / "README.md").write_text(card(version, written), encoding="utf-8")
    (folder / MARK).write_bytes(record_json(_mark(version, name)))
    write_checksums(folder)


def _mark(version: Version, name: FormatName) -> dict[str, Any]:
    return {
        "format": name,
        "dataset": version.name,
        "number": version.number,
        "version": version.id,
        "class_names": version.class_names,
        "splits": {split: len(version.samples[split]) for split in SPLITS},
    }


@contextmanager
def _recorded(manifest: Manifest, settings: ExportSettings, version: Version) -> Iterator[None]:
    """Record the export as a run, so that `forget` can name what holds a picture."""
    facts = {
        "format": settings.format,
        "out": str(settings.out.resolve()),
        "number": version.number,
        "version": version.id,
    }
    run_id = manifest.start_run("export", facts, {})
    try:
        yield
    except BaseException:
        manifest.finish_run(run_id, "failed", {})
        raise
    manifest.finish_run(run_id, "exported", facts)


def _summary(settings: ExportSettings, version: Version, seconds: float) -> dict[str, Any]:
    files = [path for path in settings.out.rglob("*") if path.is_file()]
    return {
        **_mark(version, settings.format),
        "dataset": str(settings.dataset),
        "out": str(settings.out),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "seconds": seconds,
    }


def _lines(summary: dict[str, Any]) -> tuple[str, ...]:
    shares = ", ".join(f"{n} {split}" for split, n in summary["splits"].items())
    return (
        f"version {summary['number']} ({summary['version'][:12]}) as {summary['format']}: {shares}",
        f"{summary['files']} files, {summary['bytes'] / MB:.1f} MB in {summary['out']}",
    )


def check_replaceable(out: Path, *, keep_out_of: Path) -> None:
    """Raise UsageError unless `out` may be written: missing, empty, or an earlier export untouched.

    An export is touched when any file of it is added, altered or removed: a person's work. A folder
    inside `keep_out_of`, the data set, is refused too.
    """
    place = out.resolve()
    if place.is_relative_to(keep_out_of.resolve()):
        raise UsageError(
            f"--out {out} is inside the data set {keep_out_of}", cure="name a folder outside of it"
        )
    for path in (place, *place.parents):
        if path.exists() and not path.is_dir():
            where = "is a file" if path == place else f"cannot be a folder: {path} is a file"
            raise UsageError(f"--out {out} {where}", cure="name a folder")
    if not place.exists():
        return
    changed = _changed(place)
    if changed is not None:
        raise UsageError(
            f"--out {out} holds {changed}",
            cure="name a new folder, or remove or rename that one yourself",
        )


def _changed(place: Path) -> str | None:
    """Say what in a folder is not just as an earlier export wrote it, or None."""
    names = {path.name for path in place.iterdir()}
    if not {MARK, CHECKSUMS} <= names:
        return f"{min(names)}, which no export wrote" if names else None
    there = (path for path in place.rglob("*") if path.is_symlink() or not path.is_dir())
    files = {path.relative_to(place).as_posix() for path in there}
    try:
        strange = min(files - read_checksums(place).keys() - {CHECKSUMS}, default=None)
        altered = altered_files(place)
    except OSError as error:
        return f"{CHECKSUMS}, which cannot be read ({error.strerror})"
    if strange is not None:
        return f"{strange}, which no export wrote"
    return f"an export that was changed since: {altered[0]}" if altered else None


@contextmanager
def replaced_folder(out: Path, *, keep_out_of: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out` when the block ends well.

    What a killed run left beside `out` goes first. Raises UsageError as `check_replaceable` does,
    also when somebody changed `out` meanwhile.
    """
    place = out.resolve()
    bench = place.parent / f"{atomic.PART_PREFIX}export-{place.name}"
    aside = bench / f"new{atomic.ASIDE}"
    if not place.exists() and aside.is_dir():
        aside.rename(place)
    shutil.rmtree(bench, ignore_errors=True)
    try:
        _make(bench, out)
        with atomic.new_folder(bench / "new") as folder:
            yield folder
        check_replaceable(out, keep_out_of=keep_out_of)
        atomic.put_in_place(bench / "new", place)
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def _make(bench: Path, out: Path) -> None:
    try:
        bench.mkdir(parents=True)
    except FileNotFoundError:  # a file system in which no folder can be made, such as /proc
        raise CannotWriteError(
            f"no folder can be made at {out}", cure="name another: --out DIR"
        ) from None
