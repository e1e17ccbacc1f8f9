"""Run export: write a published version in a format that other tools read, with its card."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.export.card import card
from curate.export.formats import FORMATS
from curate.export.replace import check_replaceable, replaced_folder
from curate.export.samples import Version, open_version
from curate.settings import MB, ExportSettings, FormatName
from sceneset.checksums import write_checksums
from sceneset.dataset import Dataset, run_lock
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
