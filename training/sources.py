"""Count where a version's pictures come from, for the model card."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.manifest import Manifest
from training.pictures import Version

_NO_LICENCE = {"", "unknown"}


@dataclass(frozen=True)
class Sources:
    """Pictures of a version, the sites they were found on, through what, and how many are licensed.

    `engines` stand in order of their pictures, the most first.
    """

    pictures: int
    sites: int
    engines: tuple[str, ...]
    licensed: int


def count_sources(manifest_path: Path, version: Version) -> Sources:
    """Return what the manifest knows of the pictures of a version."""
    pictures = {e.sha256 for examples in version.splits.values() for e in examples}
    with Manifest(manifest_path) as manifest:
        rows = manifest.query(
            "SELECT sha256, site, engine, licence FROM sightings WHERE status = 'kept'"
        )
    rows = [row for row in rows if row[0] in pictures]
    engines = Counter(engine for engine, _ in {(row[2], row[0]) for row in rows})
    return Sources(
        len(pictures),
        len({row[1] for row in rows if row[1]}),
        tuple(name for name, _ in engines.most_common()),
        len({row[0] for row in rows if row[3] not in _NO_LICENCE}),
    )
