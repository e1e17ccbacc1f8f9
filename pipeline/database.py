"""Open a SQLite file that survives kills: migrations, transactions, reading statements."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pipeline.errors import DamagedDataError
from pipeline.schema import MIGRATIONS

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
