"""Store the results of one class: bytes first, then the rows, so that a kill loses no picture."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sceneset.atomic import write_files
from sceneset.dataset import Dataset
from sceneset.images import PREVIEW, SMALLER, Header, Limits, reason_words
from sceneset.manifest.rows import ImageRow, SightingRow, Status
from sceneset.manifest.store import Manifest, now
from sceneset.urls import host_key, host_of, page_key, with_parents
from scraper.engines.engine import SearchResult, encodable
from scraper.http.previews import Judged, judge
from scraper.reader import Fetched

LOST_ATTEMPTS = 4
KNOWN = "known from an earlier run"
Tombstone = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class Tombstones:
    """What `forget` took out for good: contents, sites and pages."""

    sha256s: frozenset[str]
    sites: frozenset[str]
    pages: frozenset[str]

    @classmethod
    def of(cls, rows: Sequence[Tombstone]) -> "Tombstones":
        """Gather the manifest's tombstones."""
        return cls(
            frozenset(r[0] for r in rows if r[0]),
            frozenset(host_key(r[1]) for r in rows if r[1]),
            frozenset(page_key(r[2]) for r in rows if r[2]),
        )

    def cover(self, sha256: str, page_url: str, site: str = "") -> bool:
        """Say whether this content, its page or its site, also as a parent domain, was taken out."""
        hosts = (host_key(site), host_key(host_of(page_url)))
        return (
            sha256 in self.sha256s
            or (bool(self.pages) and page_key(page_url) in self.pages)
            or any(not self.sites.isdisjoint(with_parents(host)) for host in hosts)
        )


@dataclass
class ClassStore:
    """The results of one class on one engine, and how many pictures are still wanted.

    Pictures that an earlier run kept and whose file is gone are `lost`: their results are due again,
    and the same bytes put the file back. `target` counts all pictures of the class, or with `fresh`
    only new ones. `passed` counts the results that brought no picture, by why.
    """

    dataset: Dataset
    manifest: Manifest
    engine: str
    class_id: int
    run_id: int
    target: int
    attempts: int
    tombstones: Tombstones
    fresh: bool = False
    limits: Limits = PREVIEW
    passed: Counter[str] = field(default_factory=Counter)
    known: dict[str, tuple[str, int]] = field(init=False)
    held: set[str] = field(init=False)
    lost: dict[str, str] = field(init=False)
    wanted: int = field(init=False)
    query: str = ""
    position: int = 0
    added: int = 0
    new_results: int = 0
    shown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Load what earlier runs know of this class."""
        self.known = self.manifest.known_results(self.engine, self.class_id)
        self.held = self.manifest.class_pictures(self.class_id)
        kept = self.manifest.kept_files(self.class_id)
        gone = {image.sha256 for _, _, image in kept if not self._is_stored(image)}
        self.lost = {
            result_id: image.sha256
            for engine, result_id, image in kept
            if engine == self.engine and image.sha256 in gone
        }
        held = 0 if self.fresh else len(self.held - gone)
        self.wanted = max(0, self.target - held)

    @property
    def has_due(self) -> bool:
        """Say whether a known result is still to be tried again, or its lost file to be replaced."""
        return any(map(self._is_due, self.known))

    def begin(self, query: str, *, after_known: bool = False) -> None:
        """Start a query's results at rank 1, or after those that it is known to have."""
        self.query, self.position = query, 0
        if after_known:
            self.position = self.manifest.last_rank(self.engine, self.class_id, query)

    def count_unseen_attempts(self) -> None:
        """Count a vain attempt for results that are due and that no page of this run showed."""
        self._count_vain([n for n in self.known if self._is_due(n) and n not in self.shown])

    def keep(self, results: Iterable[SearchResult], fetch: Callable[[str], Fetched]) -> int:
        """Fetch, judge and store results until no more are wanted; return how many were kept.

        Results of earlier runs are passed over, but failed ones are tried again while attempts
        last. Files are on disk under their final names before any row speaks of them. What `fetch`
        raises passes on after everything before it is stored.
        """
        unsaved = Unsaved()
        kept_before = self.added
        try:
            for result in results:
                if self.wanted <= 0:
                    break
                self.position += 1
                if self._is_due(result.result_id):
                    self._take(result, fetch(result.src), unsaved)
                else:
                    self.passed[KNOWN] += 1
                unsaved.seen.append((result.result_id, self.position))
                self.shown.add(result.result_id)
        finally:
            self._commit(unsaved)
        return self.added - kept_before

    def _is_due(self, result_id: str) -> bool:
        status, attempts = self.known.get(result_id, ("failed", 0))
        if result_id in self.lost:
            return attempts < max(self.attempts, LOST_ATTEMPTS)
        return status == "failed" and attempts < self.attempts

    def _count_vain(self, result_ids: list[str]) -> None:
        for name in result_ids:
            status, attempts = self.known[name]
            self.known[name] = (status, attempts + 1)
        self.manifest.count_attempt(self.engine, self.class_id, result_ids)

    def _take(self, result: SearchResult, fetched: Fetched, unsaved: "Unsaved") -> None:
        judged = judge(fetched.data, self.limits) if fetched.data is not None else None
        lost = self.lost.get(result.result_id)
        if lost is not None:
            if judged and judged.header and judged.sha256 == lost:
                del self.lost[result.result_id]
                self._adopt(judged, judged.header, unsaved)
            else:
                self._count_vain([result.result_id])
            return
        self.new_results += result.result_id not in self.known
        row = self._row(result, fetched, judged)
        unsaved.rows.append(row)
        self.known[row.result_id] = (row.status, row.attempts)
        if row.reason:
            self.passed[reason_words(row.reason, judged.cure if judged else "")] += 1
        if row.status == "kept" and judged and judged.header:
            self._adopt(judged, judged.header, unsaved)

    def _row(self, result: SearchResult, fetched: Fetched, judged: Judged | None) -> SightingRow:
        status, reason = self._verdict(result, fetched, judged)
        return SightingRow(
            engine=self.engine,
            class_id=self.class_id,
            query=self.query,
            rank=self.position,
            result_id=result.result_id,
            title=encodable(result.title),
            page_url=encodable(result.page_url),
            site=encodable(result.site or host_of(result.page_url)),
            thumb_url="inline" if result.src.startswith("data:") else result.src,
            licence=result.licence,
            licence_url=result.licence_url,
            creator=result.creator,
            attribution=result.attribution,
            sha256=judged.sha256 if judged and status in {"kept", "duplicate"} else None,
            status=status,
            reason=reason,
            http_status=fetched.http_status,
            attempts=self.known.get(result.result_id, ("", 0))[1] + 1,
            run_id=self.run_id,
            seen_at=now(),
        )

    def _verdict(
        self, result: SearchResult, fetched: Fetched, judged: Judged | None
    ) -> tuple[Status, str]:
        if judged is None:
            return ("rejected" if fetched.reason == "too_large" else "failed"), fetched.reason
        if judged.header is None:
            is_final = judged.cure in {"", SMALLER}  # else an option or an extra lets it in
            return ("rejected" if is_final else "failed"), judged.reason
        if self.tombstones.cover(judged.sha256, result.page_url, result.site):
            return "rejected", "forgotten"
        return ("duplicate" if judged.sha256 in self.held else "kept"), ""

    def _adopt(self, judged: Judged, header: Header, unsaved: "Unsaved") -> None:
        self.held.add(judged.sha256)
        self.wanted -= 1
        self.added += 1
        name = self.dataset.raw_name(judged.sha256, header.extension)
        size = (header.width, header.height, len(judged.data))
        image = ImageRow(judged.sha256, name, header.format, *size, now())
        unsaved.images.append(image)
        if not self._is_stored(image):
            unsaved.files[self.dataset.root / name] = judged.data

    def _is_stored(self, image: ImageRow) -> bool:
        try:
            return (self.dataset.root / image.path).stat().st_size == image.bytes
        except OSError:
            return False

    def _commit(self, unsaved: "Unsaved") -> None:
        write_files(unsaved.files)
        with self.manifest.transaction():
            self.manifest.insert(unsaved.images)
            self.manifest.record_sightings(unsaved.rows)
            for result_id, rank in unsaved.seen:
                key = (self.engine, self.class_id, result_id)
                self.manifest.record_query(key, self.query, rank)


@dataclass
class Unsaved:
    """What a batch of results brings and is not stored yet: files first, then rows."""

    rows: list[SightingRow] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    files: dict[Path, bytes] = field(default_factory=dict)
    seen: list[tuple[str, int]] = field(default_factory=list)
