"""Run export: write a published version in a format that other tools read, with its card."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from curate.export.card import card
from curate.export.formats import FORMATS, FormatName
from curate.export.replace import check_replaceable, replaced_folder
from curate.export.source import Version, open_version
from sceneset.checksums import write_checksums
from sceneset.dataset import Dataset, DatasetSettings, run_lock
from sceneset.errors import SettingsError
from sceneset.manifest.rows import SPLITS
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output, Stopwatch, progress_bars
from sceneset.versions.published import record_json
from sceneset.versions.verify import MARK

MB = 1_000_000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExportSettings(DatasetSettings):
    """What to export, how, and where to."""

    format: FormatName
    """What to write; each comes with a README.md that says how to read it."""
    out: Path
    """The folder to write; an earlier export that nobody changed is replaced whole."""
    version: int | None = None
    """Number of the published version; by default the current one."""
    shard_mb: float = 500
    """Pictures per file of parquet, webdataset and tfrecord, in MB."""

    def __post_init__(self) -> None:
        """Check the values. Raises SettingsError."""
        if not (self.shard_mb > 0 and isfinite(self.shard_mb)):
            raise SettingsError(f"--shard-mb is {self.shard_mb}", cure="give a number above 0")

    @property
    def shard_bytes(self) -> int:
        """Return the size of a shard in bytes."""
        return max(1, int(self.shard_mb * MB))


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
