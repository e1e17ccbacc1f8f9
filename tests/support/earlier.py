"""Draw data sets and bundles as earlier releases left them: tables, rows and files as they wrote them.

Nothing here asks the code under test for a format: the SQL, the columns and the records are those of
the release, kept as they were.
"""

import csv
import hashlib
import io
import json
import shutil
import sqlite3
from pathlib import Path

from support import MODELS
from support.drawing import draw_jpeg

CLASSES = ("Blue sky", "Text document")
SPLITS = ("train",) * 6 + ("val",) * 2 + ("test",) * 2
AT = "2026-11-28T08:43:15.055+00:00"
# What `PRAGMA user_version` 1 to 4 added.
SCHEMAS = (
    """
    CREATE TABLE classes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
        slug TEXT NOT NULL UNIQUE, queries TEXT NOT NULL);
    CREATE TABLE images (sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, format TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL,
        added_at TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE runs (id INTEGER PRIMARY KEY, stage TEXT NOT NULL, settings TEXT NOT NULL,
        versions TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, outcome TEXT,
        counts TEXT);
    CREATE TABLE sightings (id INTEGER PRIMARY KEY, engine TEXT NOT NULL,
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
    CREATE TABLE sighting_queries (sighting_id INTEGER NOT NULL REFERENCES sightings(id),
        query TEXT NOT NULL, rank INTEGER NOT NULL,
        PRIMARY KEY (sighting_id, query)) WITHOUT ROWID;
    CREATE TABLE features (sha256 TEXT NOT NULL REFERENCES images(sha256), kind TEXT NOT NULL,
        algorithm TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (kind, algorithm, sha256)) WITHOUT ROWID;
    CREATE TABLE decisions (run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256),
        verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'drop')), reason TEXT NOT NULL,
        of_sha256 TEXT, distance INTEGER, PRIMARY KEY (run_id, class_id, sha256)) WITHOUT ROWID;
    CREATE TABLE splits (run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256), group_id TEXT NOT NULL,
        split TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')), path TEXT NOT NULL,
        PRIMARY KEY (run_id, class_id, sha256)) WITHOUT ROWID;
    CREATE TABLE overrides (sha256 TEXT NOT NULL,
        class_id INTEGER NOT NULL REFERENCES classes(id), action TEXT NOT NULL,
        new_class_id INTEGER REFERENCES classes(id), note TEXT NOT NULL, at TEXT NOT NULL);
    CREATE TABLE tombstones (sha256 TEXT, site TEXT, page_url TEXT, reason TEXT NOT NULL,
        at TEXT NOT NULL);
    """,
    """
    ALTER TABLE sightings ADD COLUMN attribution TEXT NOT NULL DEFAULT '';
    CREATE TABLE finished_queries (engine TEXT NOT NULL,
        class_id INTEGER NOT NULL REFERENCES classes(id), address TEXT NOT NULL,
        run_id INTEGER NOT NULL REFERENCES runs(id), at TEXT NOT NULL,
        PRIMARY KEY (engine, class_id, address)) WITHOUT ROWID;
    """,
    """
    CREATE INDEX features_by_picture ON features (sha256);
    CREATE INDEX decisions_by_picture ON decisions (sha256);
    CREATE INDEX splits_by_picture ON splits (sha256);
    """,
    """
    CREATE TABLE suspects (run_id INTEGER NOT NULL REFERENCES runs(id),
        class_id INTEGER NOT NULL REFERENCES classes(id),
        sha256 TEXT NOT NULL REFERENCES images(sha256),
        kind TEXT NOT NULL CHECK (kind IN ('label', 'outlier')), score REAL NOT NULL,
        other_class_id INTEGER REFERENCES classes(id),
        PRIMARY KEY (class_id, sha256, kind)) WITHOUT ROWID;
    """,
)
SETTINGS = {
    "dataset": "datasets/old", "size": 160, "fit": "crop", "encoding": "jpeg", "radius": 8,
    "leak_radius": 12, "views": True, "split": "0.8,0.1,0.1", "conflicts": "quarantine",
    "min_side": 32, "drop": "", "thresholds": "", "exact_hash": False, "keep_versions": 3,
    "executor": "local", "seed": 0,
}  # fmt: skip
_NOT_SHAPING = ("dataset", "keep_versions", "executor")
COLUMNS = [
    "path",
    "label",
    "class",
    "split",
    "sha256",
    "group",
    "width",
    "height",
    "page_url",
    "site",
    "engine",
]


def write_dataset(root: Path, schema: int) -> list[list[str]]:
    """Write a data set of two classes and its published version; return manifest.csv's rows."""
    root.mkdir(parents=True)
    rows = []
    connection = sqlite3.connect(root / "manifest.db")
    connection.execute("PRAGMA journal_mode = WAL")
    for sql in SCHEMAS[:schema]:
        connection.executescript(sql)
    connection.execute(f"PRAGMA user_version = {schema}")
    _write_run(connection, 1, "scrape", {"per_class": 10}, {})
    _write_run(connection, 2, "curate", SETTINGS, {"number": 1, "published": True})
    for label, name in enumerate(CLASSES):
        queries = json.dumps([name])
        class_row = (label + 1, name, name.replace(" ", "_"), queries)
        connection.execute("INSERT INTO classes VALUES (?, ?, ?, ?)", class_row)
        for number, split in enumerate(SPLITS):
            data = draw_jpeg(1000 * (label + 1) + number, (160, 160))
            rows.append(_write_picture(root, connection, label, number, split, data))
    connection.commit()
    connection.close()
    _write_version(root, rows)
    return rows


def _write_run(
    connection: sqlite3.Connection, run: int, stage: str, settings: object, counts: object
) -> None:
    values = (run, stage, json.dumps(settings), "{}", AT, AT, "published", json.dumps(counts))
    connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _write_picture(  # noqa: PLR0917  the columns of a row
    root: Path, connection: sqlite3.Connection, label: int, number: int, split: str, data: bytes
) -> list[str]:
    digest = hashlib.sha256(data).hexdigest()
    raw = f"raw/{digest[:2]}/{digest}.jpg"
    (root / raw).parent.mkdir(parents=True, exist_ok=True)
    (root / raw).write_bytes(data)
    name = CLASSES[label]
    site, page = "photos.example", f"https://photos.example/{label}/{number}"
    image = (digest, raw, "JPEG", 160, 160, len(data), AT)
    connection.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?)", image)
    connection.execute(
        "INSERT INTO sightings (engine, class_id, query, rank, result_id, title, page_url, site,"
        " thumb_url, licence, licence_url, creator, sha256, status, reason, http_status, attempts,"
        " run_id, seen_at) VALUES ('google', ?, ?, ?, ?, '', ?, ?, '', '', '', '', ?, 'kept', '',"
        " 200, 1, 1, ?)",
        (label + 1, name, number + 1, f"id{number}", page, site, digest, AT),
    )
    decision = (2, label + 1, digest, "keep", "", None, None)
    connection.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)", decision)
    path = f"{split}/{name.replace(' ', '_')}/{digest[:16]}.jpg"
    connection.execute(
        "INSERT INTO splits VALUES (?, ?, ?, ?, ?, ?)", (2, label + 1, digest, digest, split, path)
    )
    place = root / "curated" / "versions" / "1" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return [path, str(label), name, split, digest, digest, "160", "160", page, site, "google"]


def _write_version(root: Path, rows: list[list[str]]) -> None:
    folder = root / "curated" / "versions" / "1"
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *sorted(rows)])
    (folder / "manifest.csv").write_bytes(text.getvalue().encode())
    (folder / "class_names.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    leaves = sorted(hashlib.sha256(f"{r[4]}\0{r[2]}\0{r[3]}".encode()).digest() for r in rows)
    record = {
        "schema_version": 1,
        "version": hashlib.sha256(b"".join(leaves)).hexdigest(),
        "number": 1,
        "parent": None,
        "size": 160,
        "fit": "crop",
        "class_names": CLASSES,
        "folders": {name: name.replace(" ", "_") for name in CLASSES},
        "counts": {
            name: {s: SPLITS.count(s) for s in ("train", "val", "test")} for name in CLASSES
        },
        "images": len(rows),
        "kept": len(rows),
        "dropped": {},
        "settings": {k: v for k, v in SETTINGS.items() if k not in _NOT_SHAPING},
    }
    (folder / "dataset.json").write_text(f"{json.dumps(record, indent=1)}\n")
    _write_sums(folder)
    (root / "curated" / "current").symlink_to("versions/1")


def _write_sums(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    lines = [f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def write_bundle(folder: Path, names: tuple[str, ...]) -> None:
    """Write a bundle of a small model, without a tag rule in its record."""
    folder.mkdir(parents=True)
    shutil.copyfile(MODELS / "mean_colour.tflite", folder / "model.tflite")
    (folder / "class_names.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "class_names.json").write_text(json.dumps(names))
    (folder / "preprocess.json").write_text(json.dumps({"size": 32, "fit": "crop"}))
    files = {p.name: _digest(p) for p in sorted(folder.iterdir())}
    record = {"format": 1, "name": "old 1", "created_at": AT, "classes": len(names), "files": files}
    (folder / "bundle.json").write_text(json.dumps(record))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
