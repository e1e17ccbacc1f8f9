"""Keep what is known of searches: which gave all they have, up to which rank, how often tried."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pipeline.database import Database


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Searches(Database):
    """The part of the manifest that lets a scrape go on where the last one ended."""

    def finish_query(self, engine: str, class_id: int, address: str, run_id: int) -> None:
        """Note that a search gave all it has, so that the next run need not load it again."""
        self._db.execute(
            "INSERT OR REPLACE INTO finished_queries (engine, class_id, address, run_id, at)"
            " VALUES (?, ?, ?, ?, ?)",
            (engine, class_id, address, run_id, now()),
        )

    def finished_addresses(self, engine: str, class_id: int) -> set[str]:
        """Return the addresses of the searches of a class that gave all they have."""
        rows = self.query(
            "SELECT address FROM finished_queries WHERE engine = ? AND class_id = ?",
            (engine, class_id),
        )
        return {address for (address,) in rows}

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

    def count_attempt(self, engine: str, class_id: int, result_ids: Iterable[str]) -> None:
        """Count one more attempt for results."""
        self._db.executemany(
            "UPDATE sightings SET attempts = attempts + 1"
            " WHERE engine = ? AND class_id = ? AND result_id = ?",
            [(engine, class_id, result_id) for result_id in result_ids],
        )
