"""Know the exports of a data set again: where they were written, and whether they still stand there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.checksums import NAME as CHECKSUMS
from pipeline.manifest import Manifest

MARK = "export.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """One export: its folder, its format and the id of the version that it holds."""

    out: Path
    format: str
    version: str


def standing_exports(manifest: Manifest) -> list[Exported]:
    """Return the exports whose folders are still there, by folder.

    What stands in a folder is what its own export.json says; where that cannot be read, the
    checksums show that it is the last export written there. Runs that were cut short count: they
    may have got as far.
    """
    runs = [run.settings | (run.counts or {}) for run in manifest.runs("export")]
    latest = {str(run.get("out", "")): run for run in runs}
    found = []
    for out, said in sorted(latest.items()):
        if out and any((Path(out) / name).is_file() for name in (MARK, CHECKSUMS)):
            facts = said | _mark(Path(out))
            found.append(Exported(Path(out), str(facts["format"]), str(facts["version"])))
    return found


def _mark(out: Path) -> dict[str, Any]:
    try:
        mark = json.loads((out / MARK).read_bytes())
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) and {"format", "version"} <= mark.keys() else {}
