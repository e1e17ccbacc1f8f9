"""Open the manifest's SQLite file, which survives kills: its tables, migrations, transactions."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sceneset.errors import DamagedDataError

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


WAIT_S = 10.0
PAUSE_S = 0.02


class Database:
    """One open SQLite file in WAL mode, each commit flushed to disk."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it when missing, and bring its schema up to date.

        Raises DamagedDataError when a newer version of the tool wrote it; sqlite3 errors pass.
        """
        self._db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
        try:
            retried(lambda: self._db.execute("PRAGMA journal_mode = WAL"))
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make every write in the block happen together or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk makes SQLite roll back by itself
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _migrate(self) -> None:
        version = self._version()
        if version > len(MIGRATIONS):
            raise DamagedDataError(
                f"the manifest has schema {version}, this program knows {len(MIGRATIONS)}",
                cure="use the newer version of sceneset that wrote it",
            )
        if version == len(MIGRATIONS):
            return
        with self.transaction():  # another process may have migrated since: ask again inside
            for number in range(self._version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[number].split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number + 1}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def query(
        self, sql: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a reading statement."""
        return self._db.execute(sql, values).fetchall()


def retried(
    command: Callable[[], object],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Try a command again while others hold the file, for WAIT_S.

    SQLite does not wait by itself where it sees a deadlock coming: when several open a new file and
    each wants to turn it to WAL.
    """
    until = clock() + WAIT_S
    while True:
        try:
            command()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock() > until:
                raise
            sleep(PAUSE_S)
        else:
            return
