"""State the manifest's tables, as migrations in order: `PRAGMA user_version` counts them."""

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
