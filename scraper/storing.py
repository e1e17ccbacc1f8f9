"""Store the results of one class: bytes first, then the rows, so that a kill loses no picture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.dataset import Dataset
from pipeline.durable import write_files
from pipeline.manifest import Manifest
from pipeline.rows import ImageRow, SightingRow, Status
from scraper.harvest import Found
from scraper.previews import Fetched, Judged, judge


@dataclass(frozen=True)
class Refused:
    """What `forget` took out for good: contents, sites and pages."""

    sha256s: frozenset[str]
    sites: frozenset[str]
    pages: frozenset[str]

    @classmethod
    def of(cls, tombstones: Iterable[tuple[str | None, str | None, str | None]]) -> "Refused":
        """Gather the manifest's tombstones."""
        rows = list(tombstones)
        return cls(
            frozenset(r[0] for r in rows if r[0]),
            frozenset(r[1] for r in rows if r[1]),
            frozenset(r[2] for r in rows if r[2]),
        )

    def refuses(self, sha256: str, page_url: str) -> bool:
        """Say whether this content, or the page it stands on, was taken out."""
        host = urlsplit(page_url).hostname or ""
        return sha256 in self.sha256s or page_url in self.pages or host in self.sites


@dataclass
class ClassStore:
    """The results of one class on one engine, and how many pictures are still wanted."""

    dataset: Dataset
    manifest: Manifest
    engine: str
    class_id: int
    run_id: int
    wanted: int
    attempts: int
    refused: Refused
    now: Callable[[], str]
    known: dict[str, tuple[str, int]] = field(init=False)
    held: set[str] = field(init=False)
    added: int = 0

    def __post_init__(self) -> None:
        """Load what earlier runs know of this class."""
        self.known = self.manifest.known_results(self.engine, self.class_id)
        self.held = self.manifest.class_pictures(self.class_id)

    def keep(
        self, found: Iterable[Found], query: str, fetch: Callable[[str], Fetched]
    ) -> tuple[int, int]:
        """Fetch, judge and store results until no more are wanted; return (looked at, kept).

        Results of earlier runs are passed over, but failed ones are tried again while attempts
        last. Files are on disk under their final names before any row speaks of them.
        """
        rows: list[SightingRow] = []
        images: list[ImageRow] = []
        files: dict[Path, bytes] = {}
        kept_before = self.added
        for result in found:
            if self.wanted <= 0:
                break
            if not self._is_due(result.result_id):
                self._note_query(result, query)
                continue
            fetched = fetch(result.src)
            judged = judge(fetched.data) if fetched.data is not None else None
            row = self._row(result, query, fetched, judged)
            rows.append(row)
            self.known[row.result_id] = (row.status, row.attempts)
            if row.status == "kept" and judged is not None:
                images.append(self._adopt(judged, files))
        self._commit(files, images, rows)
        return len(rows), self.added - kept_before

    def _is_due(self, result_id: str) -> bool:
        status, attempts = self.known.get(result_id, ("failed", 0))
        return status == "failed" and attempts < self.attempts

    def _note_query(self, result: Found, query: str) -> None:
        key = (self.engine, self.class_id, result.result_id)
        self.manifest.record_query(key, query, len(self.known))

    def _row(
        self, result: Found, query: str, fetched: Fetched, judged: Judged | None
    ) -> SightingRow:
        status, reason = self._verdict(result, fetched, judged)
        return SightingRow(
            engine=self.engine,
            class_id=self.class_id,
            query=query,
            rank=len(self.known) + (result.result_id not in self.known),
            result_id=result.result_id,
            title=result.title,
            page_url=result.page_url,
            site=result.site or urlsplit(result.page_url).hostname or "",
            thumb_url="inline" if result.src.startswith("data:") else result.src,
            sha256=judged.sha256 if judged and status in {"kept", "duplicate"} else None,
            status=status,
            reason=reason,
            http_status=fetched.http_status,
            attempts=self.known.get(result.result_id, ("", 0))[1] + 1,
            run_id=self.run_id,
            seen_at=self.now(),
        )

    def _verdict(
        self, result: Found, fetched: Fetched, judged: Judged | None
    ) -> tuple[Status, str]:
        if judged is None:
            return "failed", fetched.reason
        if judged.header is None:
            return "rejected", judged.reason
        if self.refused.refuses(judged.sha256, result.page_url):
            return "rejected", "forgotten"
        if judged.sha256 in self.held:
            return "duplicate", ""
        return "kept", ""

    def _adopt(self, judged: Judged, files: dict[Path, bytes]) -> ImageRow:
        header = judged.header
        if header is None:
            raise ValueError(judged.reason)
        self.held.add(judged.sha256)
        self.wanted -= 1
        self.added += 1
        name = self.dataset.raw_name(judged.sha256, header.extension)
        path = self.dataset.root / name
        if not path.exists():
            files[path] = judged.data
        size = (header.width, header.height, len(judged.data))
        return ImageRow(judged.sha256, name, header.format, *size, self.now())

    def _commit(
        self, files: dict[Path, bytes], images: list[ImageRow], rows: list[SightingRow]
    ) -> None:
        write_files(files)
        with self.manifest.transaction():
            self.manifest.insert(images)
            self.manifest.record_sightings(rows)
