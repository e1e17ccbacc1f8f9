"""Type the manifest's tables: their migrations, and a dataclass with the columns of each row."""

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["kept", "duplicate", "rejected", "failed"]
STATUSES: tuple[Status, ...] = ("kept", "duplicate", "rejected", "failed")
Split = Literal["train", "val", "test"]
SuspectKind = Literal["label", "outlier"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class; the id is stable and is not the label."""

    id: int
    name: str
    slug: str
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One file content of raw/."""

    sha256: str
    path: str
    format: str
    width: int
    height: int
    bytes: int
    added_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingRow:
    """One search result at its end state."""

    engine: str
    class_id: int
    query: str
    rank: int
    result_id: str
    title: str = ""
    page_url: str = ""
    site: str = ""
    thumb_url: str = ""
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""
    sha256: str | None = None
    status: Status
    reason: str = ""
    http_status: int | None = None
    attempts: int = 1
    run_id: int
    seen_at: str


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """One picture of one class as curate meets it: its best sighting and its file."""

    class_id: int
    sha256: str
    path: str
    format: str
    width: int
    height: int
    bytes: int
    rank: int
    page_url: str
    site: str
    engine: str


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One measure of one file content, by kind and algorithm version."""

    sha256: str
    kind: str
    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One verdict on one picture of one class in one run."""

    run_id: int
    class_id: int
    sha256: str
    verdict: Literal["keep", "drop"]
    reason: str = ""
    of_sha256: str | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Where one kept picture went in one run."""

    run_id: int
    class_id: int
    sha256: str
    group_id: str
    split: Split
    path: str


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """One picture of one class worth a second look.

    `label`: the score is the probability that the label is wrong, the other class fits best;
    `outlier`: the score is the mean cosine distance to its ten nearest pictures, 0 to 2.
    """

    run_id: int
    class_id: int
    sha256: str
    kind: SuspectKind
    score: float
    other_class_id: int | None = None


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """What a person decided about one picture of one class."""

    sha256: str
    class_id: int
    action: str
    new_class_id: int | None
    note: str
    at: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a stage; settings, versions and counts are JSON objects."""

    id: int
    stage: str
    settings: dict[str, object]
    versions: dict[str, object]
    started_at: str
    finished_at: str | None
    outcome: str | None
    counts: dict[str, Any]


MIGRATIONS = (
    """
    CREATE TABLE classes (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, slug TEXT NOT NULL UNIQUE,
        queries TEXT NOT NULL);
    CREATE TABLE images (
        sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, format TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL,
        added_at TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, stage TEXT NOT NULL, settings TEXT NOT NULL,
        versions TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, outcome TEXT,
        counts TEXT);
    CREATE TABLE sightings (
        id INTEGER PRIMARY KEY, engine TEXT NOT NULL,
        class_id INTEGER NOT NULL REFERENCES classes(id), query TEXT NOT NULL,
        rank INTEGER NOT NULL, result_id TEXT NOT NULL, title TEXT NOT NULL,
        page_url TEXT NOT NULL, site TEXT NOT NULL, thumb_url TEXT NOT NULL,
        licence TEXT NOT NULL, licence_url TEXT NOT NULL, creator TEXT NOT NULL,
        sha256 TEXT REFERENCES images(sha256),
        status TEXT NOT NULL CHECK (status IN ('kept', 'duplicate', 'rejected', 'failed')),
        reason TEXT NOT NULL, http_status INTEGER, attempts INTEGER NOT NULL,
        run_id INTEGER NOT NULL REFERENCES runs(id), seen_at TEXT NOT NULL,
        UNIQUE (engine, class_id, result_id));
    CREATE INDEX sightings_by_class ON sightings (class_id, status);
    CREATE INDEX sightings_by_picture ON sightings (sha256, class_id);
    CREATE TABLE sighting_queries (
        sighting_id INTEGER NOT NULL REFERENCES sightings(id), query TEXT NOT NULL,
        rank INTEGER NOT NULL, PRIMARY KEY (sighting_id, query)) WITHOUT ROWID;
    CREATE TABLE features (
        sha256 TEXT NOT NULL REFERENCES images(sha256), kind TEXT NOT NULL,
        algorithm TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (kind, algorithm, sha256)) WITHOUT ROWID;
    CREATE TABLE decisions (
        run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256),
        verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'drop')), reason TEXT NOT NULL,
        of_sha256 TEXT, distance INTEGER, PRIMARY KEY (run_id, class_id, sha256)) WITHOUT ROWID;
    CREATE TABLE splits (
        run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256), group_id TEXT NOT NULL,
        split TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')), path TEXT NOT NULL,
        PRIMARY KEY (run_id, class_id, sha256)) WITHOUT ROWID;
    CREATE TABLE overrides (
        sha256 TEXT NOT NULL, class_id INTEGER NOT NULL REFERENCES classes(id),
        action TEXT NOT NULL, new_class_id INTEGER REFERENCES classes(id), note TEXT NOT NULL,
        at TEXT NOT NULL);
    CREATE TABLE tombstones (
        sha256 TEXT, site TEXT, page_url TEXT, reason TEXT NOT NULL, at TEXT NOT NULL);
    """,
    """
    ALTER TABLE sightings ADD COLUMN attribution TEXT NOT NULL DEFAULT '';
    CREATE TABLE finished_queries (
        engine TEXT NOT NULL, class_id INTEGER NOT NULL REFERENCES classes(id),
        address TEXT NOT NULL, run_id INTEGER NOT NULL REFERENCES runs(id), at TEXT NOT NULL,
        PRIMARY KEY (engine, class_id, address)) WITHOUT ROWID;
    """,
    """
    CREATE INDEX features_by_picture ON features (sha256);
    CREATE INDEX decisions_by_picture ON decisions (sha256);
    CREATE INDEX splits_by_picture ON splits (sha256);
    """,
    """
    CREATE TABLE suspects (
        run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256),
        kind TEXT NOT NULL CHECK (kind IN ('label', 'outlier')), score REAL NOT NULL,
        other_class_id INTEGER REFERENCES classes(id),
        PRIMARY KEY (class_id, sha256, kind)) WITHOUT ROWID;
    """,
)
