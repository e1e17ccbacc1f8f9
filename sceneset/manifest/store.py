"""Keep the manifest, one SQLite file that survives kills: the one place that reads and writes it."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from sceneset.class_list import SceneClass, slug_of
from sceneset.errors import ClassListError, DamagedDataError
from sceneset.manifest.rows import (
    MIGRATIONS,
    ClassRow,
    DecisionRow,
    FeatureRow,
    ImageRow,
    KeptPicture,
    OverrideRow,
    RunRow,
    SightingRow,
    Split,
    SplitRow,
    SuspectRow,
)

WAIT_S = 10.0
PAUSE_S = 0.02
_TABLES: dict[type[Any], str] = {
    ImageRow: "images",
    SightingRow: "sightings",
    FeatureRow: "features",
    DecisionRow: "decisions",
    SplitRow: "splits",
    SuspectRow: "suspects",
    OverrideRow: "overrides",
}
Row = TypeVar("Row")


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Manifest:
    """One open manifest in WAL mode, each commit flushed to disk: rows in, rows out.

    Every method is one statement or one transaction.
    """

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
        """Return the open manifest."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    # Any table

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

    def query(
        self, sql: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        return self._db.execute(sql, values).fetchall()

    def write(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a writing statement once for the values of each row."""
        self._db.executemany(sql, rows)

    def insert(self, rows: Sequence[Any]) -> None:
        """Insert rows of one table; `images` and `features` that are there already stay."""
        if rows:
            verb = "INSERT OR IGNORE" if isinstance(rows[0], ImageRow | FeatureRow) else "INSERT"
            self.write(f"{verb} {_into(type(rows[0]))}", map(astuple, rows))

    def _select(self, kind: type[Row], rest: str) -> list[Row]:
        """Return rows of one table; `rest` of the statement follows the table's name."""
        rows = self.query(f"SELECT {_columns(kind)} FROM {_TABLES[kind]} {rest}")  # noqa: S608  own names
        return [kind(*row) for row in rows]

    # classes

    def adopt_classes(self, classes: Iterable[SceneClass]) -> dict[str, int]:
        """Add classes that are new, refresh the queries of the others; return name -> id.

        Raises ClassListError when a new name differs from a known one in case only.
        """
        classes = list(classes)
        known = {row.name.casefold(): row.name for row in self.classes()}
        for scene_class in classes:
            before = known.get(scene_class.name.casefold(), scene_class.name)
            if before != scene_class.name:
                raise ClassListError(
                    f"{scene_class.name!r} is already in this data set as {before!r}",
                    cure="spell it as before, or use another --dataset",
                )
        self.write(
            "INSERT INTO classes (name, slug, queries) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET queries = excluded.queries",
            [(c.name, slug_of(c.name), json.dumps(c.queries)) for c in classes],
        )
        return {row.name: row.id for row in self.classes()}

    def classes(self) -> list[ClassRow]:
        """Return every class by id."""
        rows = self.query("SELECT id, name, slug, queries FROM classes ORDER BY id")
        return [ClassRow(i, name, slug, tuple(json.loads(q))) for i, name, slug, q in rows]

    # runs

    def start_run(
        self, stage: str, settings: Mapping[str, object], versions: Mapping[str, object]
    ) -> int:
        """Record that a run began; return its id."""
        cursor = self._db.execute(
            "INSERT INTO runs (stage, settings, versions, started_at) VALUES (?, ?, ?, ?)",
            (stage, json.dumps(settings, default=str), json.dumps(versions), now()),
        )
        return int(cursor.lastrowid or 0)

    def finish_run(self, run_id: int, outcome: str, counts: Mapping[str, object]) -> None:
        """Record how a run ended; one that has ended stays as it ended."""
        self.query(
            "UPDATE runs SET finished_at = ?, outcome = ?, counts = ?"
            " WHERE id = ? AND finished_at IS NULL",
            (now(), outcome, json.dumps(counts), run_id),
        )

    def runs(self, stage: str | None = None) -> list[RunRow]:
        """Return the runs of a stage (or all), oldest first."""
        rows = self.query(
            "SELECT id, stage, settings, versions, started_at, finished_at, outcome, counts"
            " FROM runs WHERE ? IS NULL OR stage = ? ORDER BY id",
            (stage, stage),
        )
        return [
            RunRow(
                run_id, name, json.loads(settings), json.loads(versions),
                started_at, finished_at, outcome, json.loads(counts or "{}"),
            )
            for run_id, name, settings, versions, started_at, finished_at, outcome, counts in rows
        ]  # fmt: skip

    # sightings, with sighting_queries and finished_queries: what a scrape goes on with

    def record_sightings(self, rows: Iterable[SightingRow]) -> None:
        """Insert results at their end state; one that had failed is replaced.

        It keeps the query and rank under which it was first seen.
        """
        columns = [field.name for field in fields(SightingRow)]
        fresh = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in {"query", "rank"})
        self.write(
            f"INSERT {_into(SightingRow)} ON CONFLICT (engine, class_id, result_id)"
            f" DO UPDATE SET {fresh} WHERE sightings.status = 'failed'",
            map(astuple, rows),
        )

    def record_query(self, sighting: tuple[str, int, str], query: str, rank: int) -> None:
        """Note that a known result (engine, class id, result id) also answers another query."""
        self.query(
            "INSERT OR IGNORE INTO sighting_queries (sighting_id, query, rank)"
            " SELECT id, ?, ? FROM sightings"
            " WHERE engine = ? AND class_id = ? AND result_id = ? AND query <> ?",
            (query, rank, *sighting, query),
        )

    def count_attempt(self, engine: str, class_id: int, result_ids: Iterable[str]) -> None:
        """Count one more attempt for results."""
        self.write(
            "UPDATE sightings SET attempts = attempts + 1"
            " WHERE engine = ? AND class_id = ? AND result_id = ?",
            [(engine, class_id, result_id) for result_id in result_ids],
        )

    def known_results(self, engine: str, class_id: int) -> dict[str, tuple[str, int]]:
        """Return result id -> (status, attempts) of one class on one engine."""
        rows = self.query(
            "SELECT result_id, status, attempts FROM sightings WHERE engine = ? AND class_id = ?",
            (engine, class_id),
        )
        return {result_id: (status, attempts) for result_id, status, attempts in rows}

    def last_rank(self, engine: str, class_id: int, query: str) -> int:
        """Return the last rank at which a query showed a result, 0 when it showed none."""
        rows = self.query(
            "SELECT max(rank) FROM (SELECT rank FROM sightings WHERE engine = :engine AND"
            " class_id = :class_id AND query = :query UNION ALL SELECT q.rank"
            " FROM sighting_queries q JOIN sightings s ON s.id = q.sighting_id"
            " WHERE s.engine = :engine AND s.class_id = :class_id AND q.query = :query)",
            {"engine": engine, "class_id": class_id, "query": query},
        )
        return int(rows[0][0] or 0)

    def finish_query(self, engine: str, class_id: int, url: str, run_id: int) -> None:
        """Note that a search gave all it has, so that the next run need not load it again."""
        self.query(
            "INSERT OR REPLACE INTO finished_queries (engine, class_id, address, run_id, at)"
            " VALUES (?, ?, ?, ?, ?)",
            (engine, class_id, url, run_id, now()),
        )

    def finished_urls(self, engine: str, class_id: int) -> set[str]:
        """Return the URLs of the searches of a class that gave all they have."""
        rows = self.query(
            "SELECT address FROM finished_queries WHERE engine = ? AND class_id = ?",
            (engine, class_id),
        )
        return {url for (url,) in rows}

    def sighting_counts(self) -> dict[int, dict[str, int]]:
        """Return class id -> status -> number of sightings."""
        counts: dict[int, dict[str, int]] = {}
        rows = self.query("SELECT class_id, status, count(*) FROM sightings GROUP BY 1, 2")
        for class_id, status, number in rows:
            counts.setdefault(class_id, {})[status] = number
        return counts

    def class_pictures(self, class_id: int) -> set[str]:
        """Return the SHA-256 of every picture kept for a class."""
        rows = self.query(
            "SELECT sha256 FROM sightings WHERE class_id = ? AND status = 'kept'", (class_id,)
        )
        return {sha256 for (sha256,) in rows}

    def kept_files(self, class_id: int) -> list[tuple[str, str, ImageRow]]:
        """Return (engine, result id, picture) of every kept sighting of a class."""
        rows = self.query(
            f"SELECT s.engine, s.result_id, {_columns(ImageRow, 'i.')} FROM sightings s"  # noqa: S608  own names
            " JOIN images i USING (sha256) WHERE s.class_id = ? AND s.status = 'kept'",
            (class_id,),
        )
        return [(row[0], row[1], ImageRow(*row[2:])) for row in rows]

    def kept_pictures(self) -> list[KeptPicture]:
        """Return each kept picture once per class, by class and SHA-256."""
        rows = self.query(
            "SELECT s.class_id, s.sha256, i.path, i.format, i.width, i.height, i.bytes,"
            " min(s.rank), s.page_url, s.site, s.engine"
            " FROM sightings s JOIN images i USING (sha256) WHERE s.status = 'kept'"
            " GROUP BY s.class_id, s.sha256 ORDER BY s.class_id, s.sha256"
        )
        return [KeptPicture(*row) for row in rows]

    # images and features

    def images(self) -> list[ImageRow]:
        """Return every file content of raw/ by SHA-256."""
        return self._select(ImageRow, "ORDER BY sha256")

    def features(self, kind: str, algorithm: str) -> dict[str, bytes]:
        """Return SHA-256 -> value of one kind of feature."""
        rows = self.query(
            "SELECT sha256, value FROM features WHERE kind = ? AND algorithm = ?", (kind, algorithm)
        )
        return dict(rows)

    # splits

    def last_splits(self, runs: Iterable[int]) -> list[SplitRow]:
        """Return where each picture of a class went in the newest of these runs that published it.

        Rows are sorted by run, class and SHA-256.
        """
        # Of a group with max(), SQLite returns the other columns of the row that has it.
        rows = self.query(
            "SELECT max(run_id), class_id, sha256, group_id, split, path FROM splits"
            " WHERE run_id IN (SELECT value FROM json_each(?))"
            " GROUP BY class_id, sha256 ORDER BY 1, 2, 3",
            (json.dumps(list(runs)),),
        )
        return [SplitRow(*row) for row in rows]

    def splits_of(self, sha256: str, runs: Iterable[int]) -> dict[int, Split]:
        """Return run id -> split of a picture in those of these runs that published it."""
        rows = self.query(
            "SELECT run_id, split FROM splits WHERE sha256 = ?"
            " AND run_id IN (SELECT value FROM json_each(?))",
            (sha256, json.dumps(list(runs))),
        )
        return dict(rows)

    # overrides, suspects and tombstones: what people decided or shall decide

    def latest_overrides(self) -> dict[tuple[str, int], OverrideRow]:
        """Return (SHA-256, class id) -> what a person decided last."""
        rows = self._select(OverrideRow, "ORDER BY rowid")
        return {(row.sha256, row.class_id): row for row in rows}

    def replace_suspects(self, rows: Sequence[SuspectRow]) -> None:
        """Put these up for review instead of all before; contents not in `images` are left out."""
        with self.transaction():
            known = {sha256 for (sha256,) in self.query("SELECT sha256 FROM images")}
            self.query("DELETE FROM suspects")
            self.insert([row for row in rows if row.sha256 in known])

    def suspects(self) -> list[SuspectRow]:
        """Return what is up for review: doubted labels, then outliers, the highest score first."""
        return self._select(SuspectRow, "ORDER BY kind, score DESC, sha256")

    def tombstones(self) -> list[tuple[str | None, str | None, str | None]]:
        """Return (SHA-256, site, page URL) of everything that was taken out for good."""
        rows = self.query("SELECT sha256, site, page_url FROM tombstones")
        return [(sha256, site, page_url) for sha256, site, page_url in rows]

    # The schema

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
        return int(self.query("PRAGMA user_version")[0][0])


def _columns(kind: type[Any], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{field.name}" for field in fields(kind))


def _into(kind: type[Any]) -> str:
    """Return what follows INSERT for a whole row of a kind."""
    marks = ", ".join("?" * len(fields(kind)))
    return f"INTO {_TABLES[kind]} ({_columns(kind)}) VALUES ({marks})"


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
